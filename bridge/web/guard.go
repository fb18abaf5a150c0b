package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A Guard lets requests in or not (contract section 7). The zero value lets in
// what comes from this machine and from the pages that it serves.
type Guard struct {
	Hosts   []string // names that Host may have, beside loopback and IP literals
	Origins []string // "https://app.example" or "http://x:8080": pages from elsewhere
	TLS     bool     // our own scheme is https
}

// host says what is wrong with the Host of a request, "" if nothing is. A page
// that rebinds its name to this machine's address still says its own name.
func (g *Guard) host(r *http.Request) string {
	name, _ := splitHost(r.Host)
	switch {
	case name == "":
		return "421: the request names no Host"
	case isLoopback(name):
		return ""
	}
	literal := name
	if len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']' {
		literal = name[1 : len(name)-1]
	}
	if _, err := netip.ParseAddr(literal); err == nil {
		return ""
	}
	for _, h := range g.Hosts {
		if strings.EqualFold(h, name) || strings.EqualFold(h, r.Host) {
			return ""
		}
	}
	return "421: this server is not known as " + strconv.Quote(name) + "; add the name to :allowed-hosts if it should be"
}

func isLoopback(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// splitHost takes a port off; without one it is "".
func splitHost(hostport string) (name, port string) {
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && !strings.HasSuffix(hostport, "]") && strings.Count(hostport, ":") == 1 || strings.Contains(hostport, "]:") {
		if h, p, err := net.SplitHostPort(hostport); err == nil {
			return h, p
		}
	}
	return hostport, ""
}

// origin says what is wrong with where a request comes from, "" if nothing is:
// the page must be one of ours, or of an allowed origin; programs send none.
func (g *Guard) origin(r *http.Request) string {
	switch all := r.Header.Values("Origin"); len(all) {
	case 0:
		switch site := r.Header.Get("Sec-Fetch-Site"); site {
		case "", "same-origin", "none":
			return ""
		default:
			return "the browser calls this request " + strconv.Quote(site) + " and gives no Origin"
		}
	case 1:
		if g.ours(all[0], r.Host) || g.allowed(all[0]) {
			return ""
		}
		return "pages of " + strconv.Quote(all[0]) + " may not connect here; add it to :allowed-origins if they should"
	}
	return "the request has more than one Origin"
}

// ours reports whether an origin has the scheme, host and port of the request
// itself.
func (g *Guard) ours(origin, host string) bool {
	scheme := "http"
	if g.TLS {
		scheme = "https"
	}
	return sameOrigin(origin, scheme+"://"+host)
}

func (g *Guard) allowed(origin string) bool {
	for _, o := range g.Origins {
		if sameOrigin(origin, o) {
			return true
		}
	}
	return false
}

func sameOrigin(a, b string) bool {
	ka, ok := originKey(a)
	kb, okb := originKey(b)
	return ok && okb && ka == kb
}

// originKey is an origin with its port spelled out. An opaque one ("null") and
// anything that is more than scheme, host and port has none.
func originKey(origin string) (string, bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		default:
			return "", false
		}
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port, true
}
