package web

import (
	"net/http"
	"strings"
	"testing"
)

func request(host string, headers ...string) *http.Request {
	r := &http.Request{Method: "GET", Host: host, Header: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestHost(t *testing.T) {
	g := Guard{Hosts: []string{"App.example", "with.port:8443"}}
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:8090": true, "LOCALHOST": true, "localhost.": true, "a.localhost:1": true,
		"127.0.0.1": true, "127.0.0.1:8090": true, "[::1]": true, "[::1]:8090": true, "192.168.1.7:8090": true,
		"[fe80::1]:80": true, "app.example": true, "APP.EXAMPLE:8090": true, "with.port:8443": true,

		"": false, ":8090": false, "evil.example": false, "evil.example:8090": false, "with.port": false, "with.port:1": false,
		"localhost.evil.example": false, "127.0.0.1.evil.example": false, "evillocalhost": false, "0x7f000001": false,
		"2130706433": false, "127.1": false, "localhost:80:80": false, "[::1": false, "app.example.evil": false,
		"x.app.example": false, "localhost@evil.example": false, "evil.example#localhost": false,
	} {
		if problem := g.host(request(host)); (problem == "") != ok {
			t.Errorf("Host %q: %q, expected to be let in: %v", host, problem, ok)
		}
	}
}

func TestOrigin(t *testing.T) {
	g := Guard{Origins: []string{"https://app.example", "http://dev.example:3000"}}
	for _, tt := range []struct {
		host    string
		headers string
		ok      bool
	}{
		// Programs send none; browsers say so where they leave it out.
		{"localhost:8090", "", true},
		{"localhost:8090", "Sec-Fetch-Site: none", true},
		{"localhost:8090", "Sec-Fetch-Site: same-origin", true},
		{"localhost:8090", "Sec-Fetch-Site: same-site", false},
		{"localhost:8090", "Sec-Fetch-Site: cross-site", false},
		{"localhost:8090", "Sec-Fetch-Site: nonsense", false},

		// Ours: the same scheme, host and port.
		{"localhost:8090", "Origin: http://localhost:8090", true},
		{"localhost:8090", "Origin: HTTP://LocalHost:8090", true},
		{"127.0.0.1", "Origin: http://127.0.0.1", true},
		{"127.0.0.1", "Origin: http://127.0.0.1:80", true},
		{"[::1]:8090", "Origin: http://[::1]:8090", true},
		{"localhost:8090", "Origin: http://localhost:8090|Sec-Fetch-Site: same-origin", true},
		{"localhost:8090", "Origin: https://localhost:8090", false},
		{"localhost:8090", "Origin: http://localhost", false},
		{"localhost:8090", "Origin: http://localhost:8091", false},
		{"localhost:8090", "Origin: http://127.0.0.1:8090", false},

		// Others.
		{"localhost:8090", "Origin: https://app.example", true},
		{"localhost:8090", "Origin: https://app.example:443", true},
		{"localhost:8090", "Origin: http://dev.example:3000", true},
		{"localhost:8090", "Origin: http://app.example", false},
		{"localhost:8090", "Origin: https://app.example:8443", false},
		{"localhost:8090", "Origin: http://dev.example", false},
		{"localhost:8090", "Origin: https://sub.app.example", false},
		{"localhost:8090", "Origin: https://app.example.evil", false},
		{"localhost:8090", "Origin: https://evil.example", false},

		// What is no origin.
		{"localhost:8090", "Origin: null", false},
		{"localhost:8090", "Origin: ", false},
		{"localhost:8090", "Origin: *", false},
		{"localhost:8090", "Origin: localhost:8090", false},
		{"localhost:8090", "Origin: //localhost:8090", false},
		{"localhost:8090", "Origin: http://localhost:8090/", false},
		{"localhost:8090", "Origin: http://localhost:8090?x", false},
		{"localhost:8090", "Origin: http://localhost:8090#x", false},
		{"localhost:8090", "Origin: http://u@localhost:8090", false},
		{"localhost:8090", "Origin: file://", false},
		{"localhost:8090", "Origin: http://localhost:8090 http://evil.example", false},
		{"localhost:8090", "Origin: http://localhost:8090|Origin: http://evil.example", false},
		{"localhost:8090", "Origin: http://localhost:8090|Origin: http://localhost:8090", false},
	} {
		r := request(tt.host)
		for line := range strings.SplitSeq(tt.headers, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				r.Header.Add(name, value)
			}
		}
		if problem := g.origin(r); (problem == "") != tt.ok {
			t.Errorf("Host %s, %s: %q, expected to be let in: %v", tt.host, tt.headers, problem, tt.ok)
		}
	}
	over := Guard{TLS: true}
	if over.origin(request("x.example", "Origin", "http://x.example")) == "" || over.origin(request("x.example", "Origin", "https://x.example")) != "" {
		t.Error("behind TLS, the origin of our pages is https")
	}
}
