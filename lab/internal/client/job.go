//go:build linux

package client

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Kind names what a client process does with its job.
type Kind string

// The clients that the laboratory has.
const (
	FS       Kind = "fs"       // reads through ftpnat.FS, stores through ftpnat.Conn
	Bridge   Kind = "bridge"   // jlaffaye/ftp over ftpnat's dial function
	Jlaffaye Kind = "jlaffaye" // jlaffaye/ftp alone
	Probe    Kind = "probe"    // tries each way to a data connection by hand
	Report   Kind = "report"   // ftpnat's Dialer.Probe
	Bare     Kind = "bare"     // as little of a client as a bulk Task takes
)

// Job is what a client process is to do: list, download a file, upload one.
type Job struct {
	Kind     Kind
	URL      string
	Settings Settings
	Hosts    string        // in place of /etc/hosts; empty means the machine's own
	Timeout  time.Duration // for all of it
	Download string        // the file to read
	Upload   string        // the file to write, with Payload(Seed, Size)
	Seed     uint64
	Size     int
	Before   []int // sizes of files to write under that name first (FS)
	Task     *Task // what to do instead, measured; nil means none
}

// Settings are the fields of an ftpnat.Dialer that a path may need.
type Settings struct {
	Modes          []string // by name, in order
	PublicAddr     netip.Addr
	ListenPorts    [2]uint16
	AttemptTimeout time.Duration

	RootsPEM      []byte // certificates to trust; AUTH TLS where the URL does not say how
	TLSVersion    uint16 // the only one; zero means any
	ClearData     bool
	ClearCommands bool
	Proxy         string // URL
}

// Result is what a client process saw.
type Result struct {
	Names       []string // of the listing
	Downloaded  string   // SHA-256 of what was read
	Err         string   // the first error, "" if all succeeded
	Negotiation *Negotiation
	Attempts    []Attempt       // of ftpnat, all that were made, in order
	Connects    []time.Duration // what each control connection took to open
	Elapsed     time.Duration
	Listed      time.Duration      // until the first listing was there, or was known not to come (FS)
	Report      string             // ftpnat's report as text
	Outcomes    map[string]Outcome // of a Probe, by the way that was tried
	Diagnosis   *Diagnosis         // of a Report
	Trace       []string           // the dialogue, as far as the client shows it
	Measured    *Measured          // of a Task
}

// Negotiation is a *ftpnat.NegotiateError as data.
type Negotiation struct {
	Attempts []Attempt
	Advice   []string
}

// Attempt is an ftpnat.Attempt as data.
type Attempt struct {
	Mode, Cause, Advertised, Used, Reply string
	Elapsed                              time.Duration
}

// String returns the mode and the name of the cause: "EPSV DialTimeout".
func (a Attempt) String() string { return a.Mode + " " + a.Cause }

// Payload returns size random bytes that depend on seed alone.
func Payload(seed uint64, size int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}

// Sum returns the SHA-256 of b in hexadecimal digits.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
