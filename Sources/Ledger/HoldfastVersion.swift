/// The version of this Holdfast.
public enum HoldfastVersion {
    public static let text = "0.1.0"
}
