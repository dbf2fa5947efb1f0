// Package remote answers questions about names on a server, and changes what
// they stand for, over one connection.
//
// Names are paths below the directory of the session, which itself is the empty
// name. [Session] is the connection and how names are spelled on it; what is done
// with them are functions of it, a file for each job. What a refusal means is decided
// in [Explain] and nowhere else, and what a directory holds in [Session.List].
package remote
