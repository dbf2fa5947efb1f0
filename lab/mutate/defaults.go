//go:build linux

package main

import "path"

// defaultPackages end transfers, read, write, upload, lend connections and try
// again: what they decide wrongly is a file that is wrong.
var defaultPackages = []string{
	"internal/transfer",
	"internal/stream",
	"internal/remote",
	"internal/pool",
	"internal/retry",
	"internal/tree",
}

// rootTests are the tests of the root package that are run if the package's own
// have passed: those that see the package at work, without the sweeps that take
// minutes.
var rootTests = map[string]string{
	"transfer": "^Test(NothingWorks.*|SecondTransfer|Forget|ForgottenConnection|HostileServer|Cancel|Busy|EarlyClose|UploadSourceFails|Verdict|Truth|ListCut|AnyEnd|Events|NoCloseNotify|TLSFaults|TLSActiveNAT|TLSData.*|ClearData|EarlyEnd.*|Early[A-Z].*|Launched.*|Store.*|Flight.*|Queue.*|Ahead.*|Trace|DataAddress|TrustedAddress|Stranger|OtherAddress|OtherDataHost|SIPPort|ListenPortsRotate|ActiveFiles|ActiveSmall|ActiveOneByOne|Probe.*|Bridge.*|RoundTrips)$",
	"stream":   "^Test(FileReader|ReadAt|Zip|HTTP|Resume|ResumeEvent|Changed|Truth|NoREST|Progress|CancelRead|CloseDuringRead|CloseHalfRead|HalfRead|FirstByte|Lent.*|Write|OpenFileFlags|HalfWritten|CopyWithin|WriteVerdict|Upload.*|TruncateAppend|CopyUp|NoCloseNotify|Verdict|IdleUploadCancelled|Bulk|BulkErrors|RestAppends|Store.*|FSConformance|AnyEnd|SmallFileAllocs)$",
	"remote":   "^Test(FSConformance|Glance|SizedDirectory|HiddenFile|ChangedTime|Names|RawNames|Kept|Confirmed|PRET|OpenDir|TruncatedListing|ListCut|Charset|ServerZone|ModTime|LinkBehindMLST|Transient.*|NoDirectory|Rename.*|RestAppends|RMDAll|NameChanged|DisplacedRefusal|LostBehind|MarksUnanswered|QuotesDropped|RestartForbidden|TypeRefused|UploadHash|Chtimes|Write|Remove.*|Walk(Info|Gone|Faults|Forged|Odd|Refetch)|UnreadableLine)$",
	"pool":     "^Test(Lend.*|Lent.*|Crowd|WaitHonoursContext|TooMany|Idle.*|CloseFS|ManySmallFiles|AnyOrder|ForgottenConn.*|LoginHiccup|FirstError|GoesOn|OnePerAddress|FetchFew|FetchOne|FetchClosed)$",
	"retry":    "^Test(Resume|ResumeEvent|NoREST|IdleNAT|Upload.*|WriteVerdict|FetchResumes|FetchAnew|RangesFail|TransientRefusals|TransientMissing|LoginHiccup|ProxyServerRestarts|ProxyBad.*|TLSCertificates|TooMany|NothingWorksFS|HandshakeCut|GoesOn|WaitHonoursContext|Truth|TruncatedListing)$",
	"tree":     "^Test(Fetch.*|ParallelTrips|HooksInTurn|FirstError|LocalNames|Ranges.*|CopyFS.*|CopyWithin.*|CopyDown|CopyUp)$",
}

// rootFor returns which tests of the root package are run for a package; the
// empty string means none.
func (o *options) rootFor(importPath string) string {
	switch o.root {
	case "":
		return rootTests[path.Base(importPath)]
	case "-":
		return ""
	}
	return o.root
}
