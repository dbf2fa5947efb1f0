package ftpnat

import "context"

// What the tests of package ftpnat_test reach beyond the public names.

// MemoryOf returns the memory of a Dialer that was given none.
func MemoryOf(d *Dialer) *MemoryMap { return memoryOf(d) }

// Conclude draws from the addresses and the attempts what they tell, as is done
// for each Report that is handed out.
func (r *Report) Conclude() { r.conclude() }

// Drop ends the control connection, as if it had been found broken.
func (c *Conn) Drop(err error) { c.c.Drop(context.Background(), err) }
