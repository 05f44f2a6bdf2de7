package behaviour_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
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

// processorTime is what this process has used so far, in user and system mode.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail with these arguments
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// obey carries out the commands of a benchmark, a line each, until there are no more.
func obey(server *lwm2mtest.Server, commands io.Reader, answers io.Writer) {
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		var outstanding, count int
		if _, err := fmt.Sscanf(lines.Text(), "reads %d %d", &outstanding, &count); err != nil {
			fmt.Fprintf(answers, "unknown command: %s\n", lines.Text())
		} else if err := readInTurn(server, outstanding, count); err != nil {
			fmt.Fprintln(answers, err)
		} else {
			fmt.Fprintln(answers, "done")
		}
	}
}

// readInTurn reads /3/0/0 of the clients, one after the other, so many at a time.
func readInTurn(server *lwm2mtest.Server, outstanding, count int) error {
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
				failures[i] = readOne(server, systemtest.MemberName(n%servingClients))
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
