package portmap

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
)

// igdDescription is as routers have it: the service is two devices deep.
const igdDescription = `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">
<specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>router</friendlyName><UDN>uuid:1</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service>
<serviceType>urn:schemas-upnp-org:service:%s</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>%s</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>`

func (f *fakeGateway) serveHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case "/root.xml":
		f.got.Describe++
		if f.status != 0 {
			w.Header().Set("Location", "http://"+f.http+"/elsewhere")
			w.WriteHeader(f.status)
		}
		text := f.description
		if text == "" {
			text = fmt.Sprintf(igdDescription, f.service(), "/ctl")
		}
		io.WriteString(w, text)
	case "/ctl":
		f.serveSOAP(w, r)
	default:
		f.got.Elsewhere++
		http.NotFound(w, r)
	}
}

func (f *fakeGateway) service() string {
	switch f.version {
	case "", "2":
		return "WANIPConnection:2"
	case "ppp":
		return "WANPPPConnection:1"
	}
	return "WANIPConnection:1"
}

// soapRequest has the arguments of every action that is asked for.
type soapRequest struct {
	Args struct {
		XMLName   xml.Name
		Outer     uint16 `xml:"NewExternalPort"`
		Inner     uint16 `xml:"NewInternalPort"`
		Client    string `xml:"NewInternalClient"`
		Protocol  string `xml:"NewProtocol"`
		Lease     uint32 `xml:"NewLeaseDuration"`
		HostField string `xml:"NewRemoteHost"`
	} `xml:",any"`
}

func (f *fakeGateway) serveSOAP(w http.ResponseWriter, r *http.Request) {
	var env struct {
		Body soapRequest `xml:"Body"`
	}
	if err := xml.NewDecoder(r.Body).Decode(&env); err != nil {
		f.t.Errorf("a bad SOAP request: %v", err)
	}
	args := env.Body.Args
	action := args.XMLName.Local
	if want := "urn:schemas-upnp-org:service:" + f.service(); args.XMLName.Space != want {
		f.t.Errorf("%s of %q, want of %q", action, args.XMLName.Space, want)
	}
	body := f.act(action, env.Body)
	f.calls[action]++
	code := 0
	if f.fault != nil {
		code = f.fault(action, args.Outer, f.calls[action])
	}
	if action == "AddPortMapping" && code == 0 || action == "AddAnyPortMapping" && code == 0 {
		f.mappings[args.Outer] = netip.AddrPortFrom(netip.MustParseAddr(args.Client), args.Inner)
	}
	switch {
	case f.soap != "":
		io.WriteString(w, f.soap)
	case code != 0:
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, envelope(fmt.Sprintf(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>`+
			`<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode>`+
			`<errorDescription>SaysTheGateway</errorDescription></UPnPError></detail></s:Fault>`, code)))
	default:
		io.WriteString(w, envelope(fmt.Sprintf(`<u:%sResponse xmlns:u="%s">%s</u:%[1]sResponse>`, action, args.XMLName.Space, body)))
	}
}

// act counts an action, and returns what it answers.
func (f *fakeGateway) act(action string, r soapRequest) string {
	switch action {
	case "GetExternalIPAddress":
		f.got.Address++
		return "<NewExternalIPAddress>" + f.public.String() + "</NewExternalIPAddress>"
	case "AddAnyPortMapping":
		f.got.AddAny++
		return fmt.Sprintf("<NewReservedPort>%d</NewReservedPort>", r.Args.Outer)
	case "AddPortMapping":
		f.got.Add++
	case "DeletePortMapping":
		f.got.Del++
		delete(f.mappings, r.Args.Outer)
	case "GetSpecificPortMappingEntry":
		f.got.Look++
		to := f.mappings[r.Args.Outer]
		return fmt.Sprintf("<NewInternalPort>%d</NewInternalPort><NewInternalClient>%v</NewInternalClient>"+
			"<NewEnabled>1</NewEnabled><NewPortMappingDescription/><NewLeaseDuration>1</NewLeaseDuration>", to.Port(), to.Addr())
	default:
		f.got.Elsewhere++
	}
	return ""
}

func envelope(body string) string {
	return strings.Join([]string{
		`<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"`,
		` s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>`, body, `</s:Body></s:Envelope>`,
	}, "")
}
