// Package client runs FTP clients inside a network namespace of the laboratory.
// Sockets of a Go process belong to the namespace of the thread that makes
// them, so a client is a process of its own: the program starts itself again
// in the namespace, is given a Job and answers with a Result. A program that
// calls Run must call Main first thing.
package client
