package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// build builds a program as it is released.
func build(b *testing.B, dir, from string) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), "program")
	cmd := exec.Command("go", "build", "-o", bin, from)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// BenchmarkSpawn is what a script waits for: from the start of the process to
// the ready line, beside a Go program that does nothing but write a line.
func BenchmarkSpawn(b *testing.B) {
	dir := b.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module empty\n\ngo 1.26\n",
		"main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"ready\\n\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	empty, ours := build(b, dir, "."), build(b, "", ".")
	spawn := func(command ...string) time.Duration {
		cmd := exec.Command(command[0], command[1:]...)
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		io.WriteString(in, "[:sente-lite/hello {}]\n")
		line, err := bufio.NewReader(out).ReadString('\n')
		took := time.Since(begin)
		if err != nil || !strings.Contains(line, "ready") {
			b.Fatalf("got %q: %v", line, err)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		return took
	}
	var floor, took time.Duration
	for b.Loop() { // in turn, so that both see the same machine
		floor += spawn(empty)
		took += spawn(ours, "pipe")
	}
	b.ReportMetric(float64(took.Microseconds())/float64(b.N)/1000, "ms/spawn")
	b.ReportMetric(float64(took)/float64(floor), "x-empty")
}

// BenchmarkPeerMemory is what a connected, subscribed WebSocket costs the
// process while nothing happens.
func BenchmarkPeerMemory(b *testing.B) {
	const peers = 5000
	cmd := exec.Command(build(b, "", "."), "serve", "--listen", "http://127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	addr := regexp.MustCompile(`http://([^"]+)"`).FindStringSubmatch(line)[1]
	resident := func() int {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		kb, err := strconv.Atoi(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindStringSubmatch(string(status))[1])
		if err != nil {
			b.Fatal(err)
		}
		return kb
	}
	// Once: memory that peers have given back is not resident anew.
	before := resident()
	for range peers {
		defer subscribed(b, addr).Close()
	}
	b.ReportMetric(float64(resident()-before)/peers, "KB/peer")
}

// subscribed connects a WebSocket and subscribes it.
func subscribed(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(c, "GET /ws?v=1 HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", addr)
	event := `[:sente-lite/subscribe {:channel-id "all"}]`
	c.Write(append([]byte{0x81, 0x80 | byte(len(event)), 0, 0, 0, 0}, event...))
	r := bufio.NewReaderSize(c, 1024)
	for got := ""; !strings.Contains(got, ":success true"); {
		part, err := r.ReadString('}')
		if err != nil {
			b.Fatalf("%v after %q", err, got+part)
		}
		got = part
	}
	return c
}
