// Package ftptest is an FTP server for tests and for embedding in examples.
//
// A [Server] serves a [Tree], a file tree in memory, over any net.Listener: real
// loopback TCP or an in-process network, also under the virtual time of
// testing/synctest. It answers as one of several well-known servers does
// ([Personality]), follows a [Step] script where a test wants another answer,
// breaks its connections after an exact number of bytes ([Fault]), and keeps
// what was said ([Server.Transcript]) and counted ([Server.Counters]) as plain
// data, so that a test compares values.
//
// The package has its own readings of the protocol's texts and shares no code
// with any client, so that a misreading on one side shows.
package ftptest
