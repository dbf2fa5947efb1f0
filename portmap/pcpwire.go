package portmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// The shapes of RFC 6887: a header of 24 bytes (section 7), and after it 36
// bytes of the MAP opcode (section 11.1).
const (
	pcpVersion    = 2
	pcpOpMap      = 1
	pcpResponse   = 0x80
	pcpTCP        = 6
	pcpBadVersion = 1
	pcpHeaderSize = 24
	pcpMapSize    = 60
	pcpMaxSize    = 1100
)

// pcpResults are the result codes of section 7.4.
var pcpResults = []string{
	"SUCCESS", "UNSUPP_VERSION", "NOT_AUTHORIZED", "MALFORMED_REQUEST", "UNSUPP_OPCODE", "UNSUPP_OPTION",
	"MALFORMED_OPTION", "NETWORK_FAILURE", "NO_RESOURCES", "UNSUPP_PROTOCOL", "USER_EX_QUOTA",
	"CANNOT_PROVIDE_EXTERNAL", "ADDRESS_MISMATCH", "EXCESSIVE_REMOTE_PEERS",
}

// errNATPMPOnly is the answer of a gateway that knows no PCP.
var errNATPMPOnly = errors.New("the gateway speaks NAT-PMP only")

// appendMapRequest appends a MAP request. A lifetime of zero deletes.
func appendMapRequest(b []byte, r request) []byte {
	b = append(b, pcpVersion, pcpOpMap, 0, 0)
	b = binary.BigEndian.AppendUint32(b, wholeSeconds(r.lifetime))
	client := r.local.Addr().As16()
	b = append(b, client[:]...)

	b = append(b, r.nonce[:]...)
	b = append(b, pcpTCP, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.local.Port())
	suggested := r.public
	if !suggested.IsValid() {
		suggested = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		if r.local.Addr().Is4() {
			suggested = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		}
	}
	b = binary.BigEndian.AppendUint16(b, suggested.Port())
	outer := suggested.Addr().As16()
	return append(b, outer[:]...)
}

// parseMapResponse reads an answer to r. A *stray as the error means that the
// datagram answers something else.
func parseMapResponse(b []byte, r request) (grant, error) {
	code, err := parsePCPHeader(b)
	if err != nil {
		return grant{}, err
	}
	if len(b) >= pcpMapSize {
		if err := checkMapEcho(b[pcpHeaderSize:pcpMapSize], r); err != nil {
			return grant{}, err
		}
	}
	if code != 0 {
		return grant{}, pcpResult(code)
	}
	if len(b) < pcpMapSize {
		return grant{}, strayf("an answer of %d bytes, which is too short", len(b))
	}
	outer := netip.AddrFrom16([16]byte(b[44:60])).Unmap()
	return grant{
		public:   netip.AddrPortFrom(outer, binary.BigEndian.Uint16(b[42:44])),
		lifetime: time.Duration(binary.BigEndian.Uint32(b[4:8])) * time.Second,
		epoch:    binary.BigEndian.Uint32(b[8:12]),
		hasEpoch: true,
	}, nil
}

// parsePCPHeader returns the result code of an answer to a MAP request.
func parsePCPHeader(b []byte) (code byte, err error) {
	switch {
	case len(b) < 4:
		return 0, strayf("an answer of %d bytes, which is too short", len(b))
	case b[0] == 0 && b[1]&pcpResponse != 0:
		return 0, errNATPMPOnly // RFC 6887, appendix A
	case b[0] != pcpVersion && b[1] == pcpResponse|pcpOpMap && b[3] == pcpBadVersion:
		return 0, pcpResult(pcpBadVersion) // in a version of its own
	case b[0] != pcpVersion:
		return 0, strayf("an answer of version %d", b[0])
	case b[1] != pcpResponse|pcpOpMap:
		return 0, strayf("an answer with the opcode %#x", b[1])
	case len(b) < pcpHeaderSize || len(b)%4 != 0 || len(b) > pcpMaxSize:
		return 0, strayf("an answer of %d bytes", len(b))
	}
	return b[3], nil
}

// checkMapEcho compares what an answer repeats of the request.
func checkMapEcho(body []byte, r request) error {
	switch {
	case [12]byte(body[:12]) != r.nonce:
		return strayf("an answer with another nonce")
	case body[12] != pcpTCP:
		return strayf("an answer for the transport protocol %d", body[12])
	case binary.BigEndian.Uint16(body[16:18]) != r.local.Port():
		return strayf("an answer for the local port %d", binary.BigEndian.Uint16(body[16:18]))
	}
	return nil
}

func pcpResult(code byte) error {
	text := "an unknown result"
	if int(code) < len(pcpResults) {
		text = pcpResults[code]
	}
	return &ResultError{Code: int(code), Text: text}
}

// stray is a datagram that is no answer to what was asked. Such are dropped
// (RFC 6887, 8.3) and remembered only to be told of when nothing else comes.
type stray struct{ text string }

func (s *stray) Error() string { return s.text }

func strayf(format string, args ...any) error {
	return &stray{fmt.Sprintf(format, args...)}
}
