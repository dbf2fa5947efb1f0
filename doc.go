// Package ftpnat is an FTP client that gets through: give it an FTP address,
// and the data connection opens - past NATs, firewalls, FTP helpers, proxies
// and TLS, with no settings where none can help, and with a plain explanation
// where nothing can.
//
//	fsys, err := ftpnat.Open(ctx, "ftp://user:password@ftp.example.com/reports")
//	...
//	entries, err := fs.ReadDir(fsys, ".")
//	data, err := fs.ReadFile(fsys, "2026-11.csv")
//
// # Why
//
// FTP (RFC 959) moves files over a second connection, which one side has to
// open to the other: the client in passive mode (PASV, EPSV), the server in
// active mode (PORT, EPRT). Either can be blocked, misunderstood or even be
// deadly to the first connection on the way through a NAT or a firewall, and
// which of them works is up to the network between. Other clients ask their
// user. A [Dialer] finds out:
//
//   - It tries EPSV, PASV, PORT with the local address (which a NAT helper may
//     rewrite), PORT with the public one, and EPRT, each with a timer that
//     follows from the measured round trip, so that a blocked port costs a third
//     of a second and not minutes. Where nothing works that is known, with the
//     reasons, after about one [Dialer.AttemptTimeout].
//   - When the control connection is reset or goes silent under a command, it
//     is replaced, its state (login, directory, options) restored, and the
//     whole operation goes on in the next mode.
//   - What worked is remembered by path; see [Memory].
//   - It does not wait for replies that it can do without: the login leaves in
//     one go, and on a path that has worked the next data connection is opened
//     while the last one is in use. A server that does not take this is asked
//     again one command at a time, and remembered.
//   - Where nothing works, the [NegotiateError] names each attempt, its
//     [Cause], and what a person can do.
//
// # Three ways to use it
//
// [Open] returns an [FS]: an [io/fs.FS] with writes. It uses up to
// [Dialer.MaxConns] control connections; [FS.Fetch] and [FS.CopyFS] copy trees
// over all of them.
//
// [Dialer.Dial] returns a [Conn]: one control connection, with Retrieve,
// Store and any other command.
//
// [Dialer.DialFunc] gives a program that uses github.com/jlaffaye/ftp the same
// with one added option.
//
// # What is trusted
//
// The end of a download is the server's closing reply and not the end of the
// data. An upload has succeeded when the server says so. Data connections go
// to, and are accepted from, the address of the control connection alone,
// unless [Dialer.TrustDataAddr] allows another. Commands with CR, LF or NUL in
// an argument are not sent. Passwords are masked in traces and errors. TLS,
// once asked for, is never given up, but for what [Dialer.ClearData] and
// [Dialer.ClearCommands] name. Without TLS the login is sent before the
// server's greeting has come, as that would not tell who it is either.
//
// # What is tried again
//
// What may pass is tried again for [Dialer.RetryFor], two minutes by default, with
// pauses that grow from a quarter of a second to ten. What is final is not: a
// negative reply of 500 and more; one of 4yz whose words say that it is (no such
// file, denied, already exists, read-only, disk full, quota); every refusal of a
// user or a password; a certificate that is not trusted. Tries that cost a transfer
// or a login and get no byte further end after three. The end of a call's context
// ends everything; its error has the last reply or network error with it.
//
//	call                            after a refusal for now (4yz)   after a break
//
//	Open of a URL: connecting       too many users, busy: again     once it has worked: again
//	  421 without a reason          three tries                     -
//	  USER, PASS, ACCT              never, but 421 too many users   once, one command at a time
//	  CWD of the URL's path         three tries                     again
//	Dialer.Dial                     as above                        never
//	Conn.Do                         never                           if it only asks: once
//	Conn.Retrieve, Store            never                           never, once it has begun
//	a data connection, each mode    the next mode                   the next mode
//	  all modes                     again, if NegotiateError is     again, if one has
//	                                Temporary                       worked before
//	Stat, ReadDir, ReadLink, Glob   again                           again
//	Open, Read, ReadFile, Fetch     again                           from where it stood
//	Write of a File, Append         again, with what is in memory   from where it stood
//	WriteFile, Upload, CopyFS       again                           again
//	Remove, Rename                  again                           again, once it was found out
//	                                                                whether it has been done
//	Mkdir                           again                           never
//	MkdirAll                        again                           again
//	Chmod, Chtimes                  again                           again
//
// "Never" leaves it to the caller: [Retryable] tells whether the same call may
// succeed later. Several calls of an [FS] do not send a refused password once more
// for each: for a minute they get the same refusal.
//
// # Watching
//
// [WithTrace] puts hooks into a context that see each command, reply and
// attempt; [SlogTrace] writes them to a log. [Dialer.Probe] tries every mode
// and returns a [Report].
package ftpnat
