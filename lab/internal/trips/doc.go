// Package trips measures what FTP costs in round trips: real servers and real
// clients, with a wire of a known length in between that counts.
package trips
