// Package control is the control session of an FTP client: RFC 959, section 4.
//
// [Conn] is one control connection: it writes commands and gives each the
// replies that belong to it, in order, however many are outstanding. [State]
// is what a server knows of a session and must be told again on a new
// connection. [Session] puts the two together: a control connection that can
// be lost, given up and replaced.
//
// The package knows nothing of data connections and modes.
package control
