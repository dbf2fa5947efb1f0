// Package paths has the table of what can stand between a client and a server,
// and builds each of its rows.
package paths
