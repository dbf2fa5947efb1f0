package ftpnat

import "context"

// What the tests of package ftpnat_test reach beyond the public names.

// MemoryOf returns the memory of a Dialer that was given none.
func MemoryOf(d *Dialer) *MemoryMap { return memories.Of(d) }

// Conclude draws from the addresses and the attempts what they tell, as is done
// for each Report that is handed out.
func (r *Report) Conclude() { r.conclude() }

// Drop ends the control connection, as if it had been found broken.
func (c *Conn) Drop(err error) { c.c.Drop(context.Background(), err) }

// Parsed is what the settings for a URL come to.
type Parsed struct {
	Addr, User, Password, Dir string
	TLS, Implicit             bool
}

// Parse returns what d makes of a URL.
func (d *Dialer) Parse(rawURL string) (Parsed, error) {
	cfg, dir, err := d.parseURL(rawURL)
	if err != nil {
		return Parsed{}, err
	}
	s := cfg.session
	return Parsed{s.Server, s.User, s.Password, dir, s.TLS.Config != nil, s.TLS.Implicit}, nil
}
