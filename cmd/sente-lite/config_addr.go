package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
)

// An Address is where to listen: a Unix socket's path, or a host and port.
type Address struct {
	Scheme string // "unix", "tcp", "http"
	Host   string // "127.0.0.1:8090", of tcp and http
	Path   string // of unix
}

// String returns the address as a URL, as it was given.
func (a Address) String() string {
	if a.Scheme == "unix" {
		return "unix:" + a.Path
	}
	return a.Scheme + "://" + a.Host
}

// Loopback reports whether only this machine can reach the address.
func (a Address) Loopback() bool {
	if a.Scheme == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// The kernel's limit, with the zero at the end.
const maxSocketPath = 107

// ParseAddress reads unix:/path/x.sock, tcp://host:port or http://host:port.
// Port 0 is any free one.
func ParseAddress(s string) (Address, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	schemes := []string{"unix", "tcp", "http"}
	switch {
	case scheme == "unix" && rest == "":
		return Address{}, fmt.Errorf("no path; allowed: unix:/path/x.sock")
	case !ok || strings.ContainsAny(scheme, "/.[]") || strings.Trim(rest, "0123456789") == "":
		return Address{}, fmt.Errorf("no scheme; allowed: unix:/path/x.sock, tcp://host:port, http://host:port")
	case scheme == "unix":
		return parseUnix(strings.TrimPrefix(rest, "//"))
	case scheme == "https" || scheme == "nrepl":
		return Address{}, fmt.Errorf("%s:// is not supported by this version; allowed: unix:, tcp://, http://", scheme)
	case scheme != "tcp" && scheme != "http":
		msg := fmt.Sprintf("unknown scheme %s:", scheme)
		if scheme == "ws" || scheme == "wss" {
			msg += "; WebSockets are served at http://"
		} else if near := pipe.Nearest(scheme, schemes); near != "" {
			msg += "; did you mean " + near + ":?"
		}
		return Address{}, fmt.Errorf("%s; allowed: unix:, tcp://, http://", msg)
	}
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(rest, "//") {
		return Address{}, fmt.Errorf("no address; allowed: %s://host:port with a port from 0 to 65535", scheme)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return Address{}, fmt.Errorf("more than host and port; allowed: %s://host:port (a path goes into :base-path)", scheme)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if u.Port() == "" {
		return Address{}, fmt.Errorf("no port; allowed: %s://host:port, port 0 for any free one", scheme)
	}
	if err != nil {
		return Address{}, fmt.Errorf("port %s; allowed: 0 to 65535", u.Port())
	}
	if u.Hostname() == "" {
		return Address{}, fmt.Errorf("no host; allowed: %s://127.0.0.1:%d for this machine, %s://0.0.0.0:%d for all", scheme, port, scheme, port)
	}
	return Address{Scheme: scheme, Host: net.JoinHostPort(u.Hostname(), strconv.FormatUint(port, 10))}, nil
}

func parseUnix(path string) (Address, error) {
	switch {
	case !filepath.IsAbs(path) || strings.HasSuffix(path, "/"):
		return Address{}, fmt.Errorf("no path of a file from the root; allowed: unix:/path/x.sock")
	case len(path) > maxSocketPath:
		return Address{}, fmt.Errorf("a path of %d bytes; allowed are %d", len(path), maxSocketPath)
	case strings.ContainsRune(path, 0):
		return Address{}, fmt.Errorf("a NUL in the path; allowed: unix:/path/x.sock")
	}
	return Address{Scheme: "unix", Path: filepath.Clean(path)}, nil
}
