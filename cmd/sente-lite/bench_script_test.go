//go:build peers

package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// BenchmarkScript is a warm script that sends events of 128 bytes to the plain
// JavaScript client, by the library and through a sidecar: testdata/bench. What
// one run does is fixed there, so -benchtime=1x is enough.
func BenchmarkScript(b *testing.B) {
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	sources := filepath.Join(root, "bb", "src")
	script := filepath.Join(root, "testdata", "bench", "script.cljc")
	nbb := filepath.Join(root, "testdata", "npm", "node_modules", "nbb", "cli.js")
	for name, command := range map[string][]string{
		"nbb": {"node", nbb, "--classpath", sources, script},
		"jvm": {"java", "-cp", clojureJars + ":" + sources, "clojure.main", script},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(command[0], command[1:]...)
				said := lines(b, cmd)
				said.Scan()
				url := regexp.MustCompile(`http://[^"]+`).FindString(said.Text())
				if url == "" {
					b.Fatalf("the script says %q", said.Text())
				}
				page := exec.Command("node", filepath.Join(root, "testdata", "bench", "count.mjs"), url)
				counted := lines(b, page)
				best := 0.0
				for counted.Scan() {
					var round struct{ Rate, Lost, Wrong float64 }
					if err := json.Unmarshal(counted.Bytes(), &round); err != nil || round.Lost != 0 || round.Wrong != 0 {
						b.Fatalf("the page says %s: %v", counted.Bytes(), err)
					}
					best = max(best, round.Rate)
				}
				b.ReportMetric(best, "events/s")
			}
		})
	}
}

// lines starts a program and reads its stdout; it is ended with the benchmark.
func lines(b *testing.B, cmd *exec.Cmd) *bufio.Scanner {
	b.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	return bufio.NewScanner(out)
}
