// The one header LMDB has. Everything Swift cannot import from it would be wrapped here, with the
// reason.
#include <lmdb.h>
