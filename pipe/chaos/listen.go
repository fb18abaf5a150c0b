package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Listen accepts connections at one URL and leads them to another. URLs are
// unix:/path, tcp://host:port and http://host:port, hosts those of this machine
// only; port 0 is any free one. A Unix socket is for this user alone (mode 0600)
// and is removed by Close.
//
// A Unix socket knows who its peers are: by the user who runs the proxy. So none
// is led to from a port, which any user of the machine can reach.
func (p *Proxy) Listen(url, target string) error {
	network, address, err := split(url)
	toNetwork, toAddress, err2 := split(target)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if toNetwork == "unix" && network != "unix" {
		return fmt.Errorf("chaos: %s would let everybody on this machine in at %s as you; expected unix:/path to listen at", url, target)
	}
	var l net.Listener
	var remove func()
	if network == "unix" {
		l, remove, err = listenUnix(address)
	} else {
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return fmt.Errorf("chaos: cannot listen at %s: %w", url, err)
	}
	if network != "unix" {
		scheme, _, _ := strings.Cut(url, ":")
		url = scheme + "://" + l.Addr().String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	closing := func() {
		_ = l.Close() // accepting ends by it
		if remove != nil {
			remove()
		}
	}
	if p.closed {
		closing()
		return errors.New("chaos: the proxy is closed")
	}
	p.opened = append(p.opened, closing)
	if p.addr == "" {
		p.addr = url
	}
	var d net.Dialer
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, toNetwork, toAddress) }
	p.running.Go(func() {
		for p.begin(l.Accept, dial) {
		}
	})
	return nil
}

// Addr is the real URL of the first Listen, "" if there was none.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// split reads an address, which must be of this machine.
func split(url string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(url, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if !filepath.IsAbs(path) {
			return "", "", fmt.Errorf("chaos: %q has no path from the root; expected unix:/path/x.sock", url)
		}
		return "unix", path, nil
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme != "tcp" && scheme != "http" {
		return "", "", fmt.Errorf("chaos: %q is no address; expected unix:/path, tcp://host:port or http://host:port", url)
	}
	host, _, err := net.SplitHostPort(strings.TrimSuffix(rest, "/"))
	if err != nil {
		return "", "", fmt.Errorf("chaos: %q has no host and port; expected one like %s://127.0.0.1:8090", url, scheme)
	}
	ip, err := netip.ParseAddr(host)
	if !strings.EqualFold(host, "localhost") && (err != nil || !ip.Unmap().IsLoopback()) {
		return "", "", fmt.Errorf("chaos: %q is not on this machine; expected a host like 127.0.0.1 or localhost", url)
	}
	return "tcp", strings.TrimSuffix(rest, "/"), nil
}

// listenUnix makes a socket that nobody else could use at any time: it gets its
// mode in a folder of our own, and then its name.
func listenUnix(path string) (net.Listener, func(), error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".chaos-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return l, func() { _ = os.Remove(path) }, nil
}
