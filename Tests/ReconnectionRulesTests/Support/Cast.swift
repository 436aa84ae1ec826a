import ReconnectionRules

/// Who and what a story is about: names, by number from 1 in the order the script brings them in.
struct Cast {
    private(set) var users: [String] = []
    /// Who has a name now.
    private var numbers: [String: UserNumber] = [:]
    private(set) var projects: [String] = []
    /// What the script last set for each project; `set` changes only what it names.
    var settings: [String: ProjectSettings] = [:]

    mutating func addUser(_ name: String) -> UserNumber {
        let others = users.count { $0.prefix { $0 != "'" } == name }
        users.append(name + String(repeating: "'", count: others))
        numbers[name] = UserNumber(users.count)
        return UserNumber(users.count)
    }

    /// Takes a user's name away. Returns the number, which stays.
    mutating func forgetUser(_ name: String) throws -> UserNumber {
        let number = try user(name)
        numbers[name] = nil
        return number
    }

    mutating func addProject(_ name: String) -> ProjectNumber {
        projects.append(name)
        settings[name] = ProjectSettings()
        return ProjectNumber(projects.count)
    }

    func user(_ name: String) throws -> UserNumber {
        guard let number = numbers[name] else {
            throw ScriptFault("no user is called '\(name)'")
        }
        return number
    }

    func project(_ name: String) throws -> ProjectNumber {
        guard let index = projects.firstIndex(of: name) else {
            throw ScriptFault("no project is called '\(name)'")
        }
        return ProjectNumber(index + 1)
    }

    func name(ofUser number: UserNumber) -> String {
        (1 ... UserNumber(max(users.count, 1))).contains(number) && !users.isEmpty
            ? users[Int(number) - 1] : "user?\(number)"
    }

    func name(ofProject number: ProjectNumber) -> String {
        (1 ... ProjectNumber(max(projects.count, 1))).contains(number) && !projects.isEmpty
            ? projects[Int(number) - 1] : "project?\(number)"
    }
}
