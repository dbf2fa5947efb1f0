// Package proto holds the words that the layers of the library share, as plain
// data: modes, replies and what they say, attempts, lessons and errors.
package proto
