package chaos_test

import (
	"fmt"
	"io"
	"net"

	"github.com/sente-lite/sente-lite/pipe/chaos"
)

// A connection that is lost at a byte of the test's choice.
func Example() {
	p := chaos.New(7, chaos.Options{
		Event: func(e chaos.Event) { fmt.Printf("%s\n", e.AppendEDN(nil)) },
		Plan: func(conn uint64) (plan chaos.Plan) {
			plan.Ways[chaos.Up] = chaos.Way{Cut: 5, How: chaos.FIN}
			return plan
		},
	})
	defer p.Close()
	target, server := net.Pipe()
	client := p.Wrap(target)
	go client.Write([]byte("hello, world"))
	got, err := io.ReadAll(server)
	fmt.Printf("%q %v\n", got, err)
	// Output:
	// [:chaos/cut {:conn 1 :dir :up :at 5 :how :fin}]
	// "hello" <nil>
}

// The plans of a seed, which are all that is random.
func ExampleMakePlan() {
	o := chaos.Options{Cut: chaos.Range{From: 1 << 10, To: 64 << 10}, Refuse: 0.1}
	for conn := range uint64(3) {
		fmt.Printf("%s\n", chaos.MakePlan(42, o, conn+1).AppendEDN(nil))
	}
	// Output:
	// {:conn 1 :up {:cut 51025 :how :fin} :down {}}
	// {:conn 2 :up {:cut 63606 :how :fin} :down {}}
	// {:conn 3 :up {:cut 34158 :how :fin} :down {}}
}
