package portmap

import "net/netip"

// notGlobal are the networks that the IANA registers as not reachable from
// everywhere, but for those that package netip knows: RFC 6890 and what has
// been added to its registries.
var notGlobal = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers: RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),  // DS-Lite among them: RFC 6333
	netip.MustParsePrefix("192.0.2.0/24"),  // documentation: RFC 5737
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks: RFC 2544
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64: RFC 8215
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address can be reached from everywhere.
func public(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, p := range notGlobal {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
