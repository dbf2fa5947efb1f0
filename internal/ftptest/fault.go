package ftptest

// Channel tells control connections from data connections.
type Channel uint8

const (
	// Control is the connection that carries commands and replies.
	Control Channel = iota
	// Data is a connection that carries a file or a listing.
	Data
)

// Direction is the way of a byte, seen from the server.
type Direction uint8

const (
	// Sent bytes go from the server to the client.
	Sent Direction = iota
	// Received bytes go from the client to the server.
	Received
)

// Ending is a way for a connection to end, or to seem alive when it is not.
type Ending uint8

const (
	// Keep leaves the connection as it is.
	Keep Ending = iota
	// Cut ends the connection in order: the client sees the end of the stream.
	Cut
	// Reset aborts the connection: the client sees a reset, if the network has one.
	Reset
	// Silence leaves the connection open, but nothing is sent any more and what is
	// received is lost, until the client closes its side.
	Silence
	// Drained ends the connection in order, as Cut does, and the server does not learn
	// of it: what it sends is lost, and what it receives has ended in order. A box on
	// the way did that.
	Drained
)

// Fault ends a connection after an exact number of bytes.
type Fault struct {
	On    Channel
	Conn  int       // Conn is the index of the connection on its channel, from 1; zero means every one.
	Dir   Direction // Dir says which bytes are counted.
	After int64     // After is the number of bytes that still pass; zero ends a connection before its first byte, a data connection after the 150.
	Kind  Ending
}

// matches reports whether f concerns the connection.
func (f Fault) matches(on Channel, index int) bool {
	return f.Kind != Keep && f.On == on && (f.Conn == 0 || f.Conn == index)
}
