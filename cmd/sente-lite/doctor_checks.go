package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// met is a sidecar that has answered.
type met struct {
	address  string
	version  string
	protocol string
	listen   []string
	pid      string
}

func (x *examination) binary() {
	path, err := os.Executable()
	if err != nil {
		path = "a file that cannot be named"
	}
	x.found("binary", "ok", "", "sente-lite %s, protocol %d, %s, %s/%s: %s", version, pipe.Protocol, runtime.Version(), runtime.GOOS, runtime.GOARCH, path)
	if bin, _ := x.sys.lookup("SENTE_LITE_BIN"); bin != "" {
		if info, err := os.Stat(bin); err != nil || info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0 {
			x.found("binary", "fail", "set it to an executable, or unset it", "SENTE_LITE_BIN names %s, which cannot be run", bin)
		}
	}
}

// sockets looks at the folder of the default sockets, and at whoever answers
// there or at the address that is meant.
func (x *examination) sockets(l linkFlags) {
	dir := socketDirOf(x.sys)
	all, err := socketsIn(dir)
	switch info, statErr := os.Lstat(dir); {
	case errors.Is(statErr, fs.ErrNotExist):
		x.found("sockets", "ok", "", "%s is made when a server starts", dir)
	case err != nil:
		fix := "chmod 700 " + dir
		if info != nil && !info.IsDir() {
			fix = "rm " + dir
		} else if info != nil && info.Mode().Perm()&0o077 == 0 {
			fix = "set XDG_RUNTIME_DIR to a folder of your own"
		}
		x.found("sockets", "fail", fix, "%s", wireError(err).Msg)
	default:
		x.found("sockets", "ok", "", "%s is yours alone", dir)
	}
	for _, s := range all {
		if !s.live {
			x.found("sockets", "warn", "rm "+s.path, "%s was left behind: nobody listens there", s.path)
		}
	}
	token, err := l.token(x.sys)
	if err != nil {
		x.found("sidecar", "fail", "", "%s", wireError(err).Msg)
	}
	said := l.To
	if said == "" {
		said, _ = x.sys.lookup("SENTE_LITE_URL")
	}
	if said != "" {
		x.meet(said, token, "fail")
	}
	for _, s := range all {
		if address := "unix:" + s.path; s.live && address != said {
			x.meet(address, token, "warn")
		}
	}
	if len(x.met) == 0 {
		x.found("sidecar", "info", "", "none is running that could be asked")
	}
}

// meet asks a sidecar who it is. severity is that of one that cannot be reached.
func (x *examination) meet(address, token, severity string) {
	asked := time.Now()
	v, err := dial(x.ctx, address, token, nil)
	if err != nil {
		bad := wireError(err)
		x.found("sidecar", severity, bad.Hint, "%s", bad.Msg)
		return
	}
	defer v.close()
	took := time.Since(asked)
	m := &met{address: address, version: text(v.ready, ":version"), protocol: raw(v.ready, ":protocol"), pid: raw(v.ready, ":pid")}
	for c := pipe.Elements([]byte(raw(v.ready, ":listen"))); ; {
		e, ok := c.Next()
		if !ok {
			break
		}
		if a, err := pipe.Unquote(e); err == nil {
			m.listen = append(m.listen, a)
		}
	}
	x.met = append(x.met, m)
	where := address
	if m.pid != "" {
		where += ", process " + m.pid
	}
	if len(m.listen) > 0 {
		where += ", listens at " + strings.Join(m.listen, " ")
	}
	switch {
	case m.protocol != strconv.Itoa(pipe.Protocol):
		x.found("sidecar", "fail", "restart it with this binary, or use the binary that it runs", "%s: protocol %s, and this binary has %d", where, m.protocol, pipe.Protocol)
	case m.version != version:
		x.found("sidecar", "warn", "restart it, so that it runs this binary", "%s: version %s, and this binary has %s", where, m.version, version)
	default:
		x.found("sidecar", "ok", "", "%s: version %s", where, m.version)
	}
	if now, err := strconv.ParseInt(raw(v.ready, ":now"), 10, 64); err == nil {
		middle := asked.Add(took / 2)
		if skew := time.UnixMilli(now).Sub(middle).Abs() - took/2; skew > time.Second {
			x.found("clock", "warn", "let both machines keep time (NTP)", "the clock of %s is %v away from ours", address, skew.Round(100*time.Millisecond))
		}
	}
}

// addresses sees whether what would be listened at is free.
func (x *examination) addresses() {
	if x.cfg == nil {
		return
	}
	listen, severity := x.cfg.Listen, "fail"
	if listen == nil {
		listen, severity = []Address{{Scheme: "http", Host: serveDefaults.http}}, "warn"
	}
	for _, a := range listen {
		if holder := x.holds(a); holder != "" {
			x.found("ports", "ok", "", "%s is that of the sidecar at %s", a, holder)
			continue
		}
		if a.Scheme == "unix" {
			x.socketFree(a, severity)
			continue
		}
		l, err := net.Listen("tcp", a.Host)
		if err != nil {
			x.found("ports", severity, "end who listens there, or choose another with --listen (port 0 is any free one)", "%s cannot be listened at: %v", a, errors.Unwrap(err))
			continue
		}
		_ = l.Close() // it was only to see
		x.found("ports", "ok", "", "%s is free", a)
	}
}

func (x *examination) socketFree(a Address, severity string) {
	switch info, err := os.Lstat(a.Path); {
	case errors.Is(err, fs.ErrNotExist):
		x.found("ports", "ok", "", "%s is free", a)
	case err != nil:
		x.found("ports", severity, "", "%s cannot be looked at: %v", a, err)
	case info.Mode().Type() != fs.ModeSocket:
		x.found("ports", severity, "remove the file, or choose another path", "%s is a file and no socket", a)
	case answers(a.Path):
		x.found("ports", severity, "end who listens there, or choose another path", "%s is in use", a)
	default:
		x.found("ports", "warn", "rm "+a.Path, "%s was left behind; a server that starts there replaces it", a.Path)
	}
}

// holds names the sidecar that listens at an address, "" if none does that
// has been met.
func (x *examination) holds(a Address) string {
	for _, m := range x.met {
		for _, l := range m.listen {
			if l == a.String() {
				return m.address
			}
		}
	}
	return ""
}

// limits compares the files that may be open with the peers that may come.
func (x *examination) limits() {
	files, known := openFiles()
	if !known {
		return
	}
	peers := pipe.Flow{}.OrDefault().MaxPeers
	if x.cfg != nil {
		peers = x.cfg.Hub.Flow.MaxPeers
	}
	if need := uint64(peers) + 100; files < need {
		x.found("files", "warn", fmt.Sprintf("ulimit -n %d, or a lower :flow :max-peers", need), "%d files may be open, and :flow :max-peers is %d", files, peers)
		return
	}
	x.found("files", "ok", "", "%d may be open", files)
}

func (x *examination) pages() {
	if x.cfg == nil {
		return
	}
	info, err := os.Stat(x.cfg.Static)
	switch {
	case x.cfg.Static == "":
		x.found("pages", "ok", "", "none are served")
	case err == nil && info.IsDir():
		path, err := filepath.Abs(x.cfg.Static)
		if err != nil {
			path = x.cfg.Static
		}
		x.found("pages", "ok", "", "%s", path)
	case x.cfg.StaticGiven:
		x.found("pages", "fail", "make the folder, or correct :static", "[:static]: %q is no folder that can be read", x.cfg.Static)
	default:
		x.found("pages", "ok", "", "there is no folder %s here, so none are served", x.cfg.Static)
	}
}

// runtimes names what scripts can be run with.
func (x *examination) runtimes() {
	for _, name := range []string{"bb", "node", "nbb", "clojure"} {
		path, err := exec.LookPath(name)
		if err != nil {
			x.found("runtimes", "info", "", "%s is not on the PATH", name)
			continue
		}
		x.found("runtimes", "info", "", "%s is %s", name, path)
	}
}
