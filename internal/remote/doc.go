// Package remote answers questions about names on a server, and changes what
// they stand for, over one connection.
//
// Names are paths below the directory of the session, which itself is the empty
// name. What a refusal means is decided in [Session.Explain] and nowhere else,
// and what a directory holds in [Session.List].
package remote
