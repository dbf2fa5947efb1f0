// Package delay is a wire of a given length between two network namespaces: a
// program that copies packets between two TUN devices, since not every kernel
// has a queueing discipline that delays. It keeps a record of what passes, out
// of which round trips are counted.
package delay
