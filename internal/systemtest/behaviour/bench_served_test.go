package behaviour_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// servingClients are the clients that a served benchmark has: so many that none is
// asked faster than its limit allows, and that no message ID comes again within
// EXCHANGE_LIFETIME.
const servingClients = 64

// BenchmarkServedReads is what a Read of /3/0/0 costs the process of the clients, over
// sockets on loopback; the server is a process of its own. One Read after the other
// shows what a wake-up costs, sixteen at a time what serving does.
func BenchmarkServedReads(b *testing.B) {
	for _, security := range []holdfast.SecurityMode{holdfast.SecurityNoSec, holdfast.SecurityPSK} {
		for _, outstanding := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/outstanding=%d", security, outstanding), func(b *testing.B) {
				benchmarkServedReads(b, security, outstanding)
			})
		}
	}
}

func benchmarkServedReads(b *testing.B, security holdfast.SecurityMode, outstanding int) {
	server := startFleetServer(b, security)
	f := newFleet(b, servingClients, holdfast.Account{URI: server.uri, Security: security})
	f.start()
	f.awaitRegistered()
	server.ask(b, "reads %d %d", outstanding, servingClients) // each has been asked once
	b.ResetTimer()
	before := processorTime()
	if answer := server.ask(b, "reads %d %d", outstanding, b.N); answer != "done" {
		b.Error(answer)
	}
	used := processorTime() - before
	b.StopTimer()
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N), "CPU-us/read")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	b.ReportMetric(float64(b.N)/used.Seconds(), "reads/core-s")
	f.close()
	server.stop(b)
}

// servant is what the server process of a benchmark does with its commands.
type servant struct {
	server *lwm2mtest.Server
	told   chan struct{} // one for each notification of a value
	// unconfirmed says which notifications count: confirmable ones, or the others.
	unconfirmed *atomic.Bool
}

// obey carries out the commands of a benchmark, a line each, until there are no more.
func obey(server *lwm2mtest.Server, commands io.Reader, answers io.Writer) {
	s := servant{server: server, told: make(chan struct{}, 1<<16), unconfirmed: new(atomic.Bool)}
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		if err := s.carryOut(lines.Text()); err != nil {
			fmt.Fprintln(answers, err)
		} else {
			fmt.Fprintln(answers, "done")
		}
	}
}

func (s servant) carryOut(line string) error {
	name, arguments, _ := strings.Cut(line, " ")
	var x, y int
	if n, err := fmt.Sscan(arguments, &x, &y); n == 0 {
		return fmt.Errorf("%q: %w", line, err)
	}
	switch name {
	case "reads":
		return s.read(x, y)
	case "observe":
		return s.observe(x, y)
	case "unconfirmed":
		return s.unconfirm(x)
	case "await":
		return s.await(x)
	}
	return fmt.Errorf("unknown command: %s", line)
}

// read reads /3/0/0 of the clients, one after the other, so many at a time.
func (s servant) read(outstanding, count int) error {
	return inTurn(outstanding, count, func(i int) error {
		return readOne(s.server, systemtest.MemberName(i%servingClients))
	})
}

// inTurn does something so many times, some of them at a time.
func inTurn(outstanding, count int, do func(i int) error) error {
	var next atomic.Int64
	failures := make([]error, outstanding)
	var wait sync.WaitGroup
	for i := range failures {
		wait.Go(func() {
			for failures[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= count {
					return
				}
				failures[i] = do(n)
			}
		})
	}
	wait.Wait()
	return errors.Join(failures...)
}

func readOne(server *lwm2mtest.Server, endpoint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	response, err := server.Read(ctx, endpoint, "/3/0/0", messages.FormatTLV)
	if err == nil && response.Code != messages.Content {
		err = fmt.Errorf("%s answered %v", endpoint, response.Code)
	}
	return err
}
