package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// linkFlags say which sidecar a command talks to. A token never stands in an
// argument, where other users can read it.
type linkFlags struct {
	To        string `placeholder:"URL" help:"The sidecar (SENTE_LITE_URL, or the newest socket)."`
	TokenFile string `placeholder:"FILE" help:"File with the token for it (else SENTE_LITE_TOKEN)."`
}

// dial connects to the sidecar that is meant.
func (l linkFlags) dial(ctx context.Context, sys system, event func(pipe.Item)) (*visitor, error) {
	address, err := l.address(sys)
	if err != nil {
		return nil, err
	}
	token, err := l.token(sys)
	if err != nil {
		return nil, err
	}
	return dial(ctx, address, token, event)
}

func (l linkFlags) address(sys system) (string, error) {
	if l.To != "" {
		return l.To, nil
	}
	if url, _ := sys.lookup("SENTE_LITE_URL"); url != "" {
		return url, nil
	}
	dir := socketDirOf(sys)
	all, err := socketsIn(dir)
	if err != nil {
		return "", err
	}
	for _, s := range all {
		if s.live {
			return "unix:" + s.path, nil
		}
	}
	return "", &pipe.Error{Category: pipe.Unavailable, Code: "no-sidecar", Retry: true,
		Msg:  "no sidecar is running: there is no live socket in " + dir,
		Hint: `start one with "sente-lite serve", or name its address with --to URL or SENTE_LITE_URL, like --to http://127.0.0.1:8090`}
}

func (l linkFlags) token(sys system) (string, error) {
	if l.TokenFile != "" {
		token, err := secretFile(l.TokenFile, "token")
		if err == nil && token == "" {
			err = fmt.Errorf("the file %s is empty; it should have the token", l.TokenFile)
		}
		if err != nil {
			return "", &pipe.Error{Category: pipe.Incorrect, Code: "bad-token-file", Msg: "--token-file: " + err.Error()}
		}
		return token, nil
	}
	token, _ := sys.lookup("SENTE_LITE_TOKEN")
	return token, nil
}

func socketDirOf(sys system) string {
	runtime, _ := sys.lookup("XDG_RUNTIME_DIR")
	return socketDirPath(runtime, os.TempDir(), os.Getuid())
}

// A socketFile is one in the folder of the default sockets.
type socketFile struct {
	path string
	made time.Time
	live bool // somebody listens
}

// maxSockets is how many files of the folder are looked at.
const maxSockets = 1000

// socketsIn returns the sockets of a folder, the newest first. Nobody but us may
// have put them there.
func socketsIn(dir string) ([]socketFile, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := checkSocketDir(dir, os.Getuid()); err != nil {
		return nil, &pipe.Error{Category: pipe.Forbidden, Code: "unsafe-folder", Msg: err.Error()}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []socketFile
	for _, e := range entries[:min(len(entries), maxSockets)] {
		info, err := e.Info()
		if err != nil || info.Mode().Type() != fs.ModeSocket || filepath.Ext(e.Name()) != ".sock" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		all = append(all, socketFile{path: path, made: info.ModTime(), live: answers(path)})
	}
	slices.SortFunc(all, func(a, b socketFile) int { return cmp.Or(b.made.Compare(a.made), cmp.Compare(a.path, b.path)) })
	return all, nil
}

func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close() // it was only to see
	return true
}
