package lwm2mtest

import (
	"bytes"
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// image is what the tests fetch: three blocks and a part of one.
const (
	imagePath = "/images/fw.bin"
	imageSize = 3*1024 + 100
)

// get composes a request for a block of the image.
func (c *client) get(num uint32, szx uint8) coap.Message {
	m := c.message(lwm2m.CodeGET, []string{"images", "fw.bin"}, nil, "")
	m.AddBlock(coap.Block2, coap.Block{Num: num, SZX: szx})
	return m
}

// fetchAll fetches the image from an offset in blocks of a size, which the server may make
// smaller, and returns what it got.
func (c *client) fetchAll(offset int, szx uint8) []byte {
	c.t.Helper()
	var body []byte
	for more := true; more; {
		want, _ := coap.At(offset+len(body), false, szx)
		answer := c.ask(c.get(want.Num, want.SZX))
		block, ok := answer.Block(coap.Block2)
		if answer.Code != lwm2m.CodeContent || !ok || block.Offset() != offset+len(body) {
			c.t.Fatalf("block %v: %v, %v", want, answer, block)
		}
		body, szx, more = append(body, answer.Payload...), block.SZX, block.More
	}
	return body
}

// sliceOf is a part of a pattern.
func sliceOf(t *testing.T, p Pattern, from, to int) []byte {
	t.Helper()
	buf := make([]byte, to-from)
	must(p.ReadAt(buf, int64(from)))(t)
	return buf
}

// filesBubble runs a test against a server of files and a client of it.
func filesBubble(t *testing.T, opts ServerOptions, test func(t *testing.T, r *rig, c *client)) {
	t.Helper()
	serverBubble(t, opts, NoSec(), func(t *testing.T, r *rig) {
		r.server.ServeFiles(must(r.host.ListenPacket(5000))(t), NoSec())
		r.server.SetFile(imagePath, Pattern(1).File(imageSize))
		test(t, r, r.dial(5000))
	})
}

// TestPatternIsTheSameReadInAnyWay, whole and in pieces that begin anywhere.
func TestPatternIsTheSameReadInAnyWay(t *testing.T) {
	whole := sliceOf(t, 7, 0, 100)
	for from := range 100 {
		if got := sliceOf(t, 7, from, 100); !bytes.Equal(got, whole[from:]) {
			t.Fatalf("from %d: %x, want %x", from, got, whole[from:])
		}
	}
	if bytes.Equal(whole, sliceOf(t, 8, 0, 100)) {
		t.Error("another seed gives the same bytes")
	}
	if got, want := Pattern(7).SHA256(100), sha256.Sum256(whole); got != want {
		t.Errorf("digest %x, want %x", got, want)
	}
}

func TestFetchInBlocks(t *testing.T) {
	for _, c := range []struct {
		server, client int // sizes of blocks
		requests       int
	}{
		{1024, 1024, 4}, {1024, 256, 13}, {64, 1024, 50}, {16, 16, 199},
	} {
		filesBubble(t, ServerOptions{BlockSize: c.server}, func(t *testing.T, r *rig, client *client) {
			got := client.fetchAll(0, coap.SZXForSize(c.client))
			if !bytes.Equal(got, sliceOf(t, 1, 0, imageSize)) {
				t.Errorf("%+v: %d bytes that are not those of the image", c, len(got))
			}
			if n := r.server.FetchCount(imagePath); n != c.requests {
				t.Errorf("%+v: %d requests", c, n)
			}
		})
	}
}

func TestFetchSaysWhatItIs(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		first := c.ask(c.get(0, 6))
		etag, _ := first.Bytes(coap.ETag)
		size, announced := first.Uint(coap.Size2)
		format := first.Format(coap.ContentFormat)
		if len(etag) == 0 || !announced || size != imageSize || format == nil || *format != lwm2m.FormatOpaque {
			t.Errorf("first block: ETag %x, Size2 %d, format %v", etag, size, format)
		}
		second := c.ask(c.get(1, 6))
		if same, _ := second.Bytes(coap.ETag); !bytes.Equal(same, etag) || second.Has(coap.Size2) {
			t.Errorf("second block: ETag %x, want %x; Size2 %v", same, etag, second.Has(coap.Size2))
		}
		asking := c.get(1, 6)
		asking.AddUint(coap.Size2, 0)
		if size, _ := c.ask(asking).Uint(coap.Size2); size != imageSize {
			t.Errorf("Size2 when asked for: %d", size)
		}
		r.server.SetFile(imagePath, Pattern(1).File(imageSize))
		if other, _ := c.ask(c.get(2, 6)).Bytes(coap.ETag); bytes.Equal(other, etag) || len(other) == 0 {
			t.Errorf("ETag of another version: %x", other)
		}
	})
}

func TestFetchWithoutBlocks(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		r.server.SetFile("/small", File{Content: bytes.NewReader([]byte("abc")), Size: 3, WithoutETag: true, Size2: -1})
		answer := c.ask(c.message(lwm2m.CodeGET, []string{"small"}, nil, ""))
		if string(answer.Payload) != "abc" || answer.Has(coap.Block2) || answer.Has(coap.ETag) || answer.Has(coap.Size2) {
			t.Errorf("%v %+v", answer, answer.Options)
		}
		large := c.ask(c.message(lwm2m.CodeGET, []string{"images", "fw.bin"}, nil, ""))
		if block, ok := large.Block(coap.Block2); !ok || !block.More || len(large.Payload) != 1024 {
			t.Errorf("a file of several blocks: %v, %v", large, block)
		}
	})
}

func TestFetchRefuses(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		assertCode(t, c.ask(c.message(lwm2m.CodeGET, []string{"other"}, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.message(lwm2m.CodePUT, []string{"images", "fw.bin"}, nil, "x")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.registerMessage("ep")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.get(4, 6)), lwm2m.CodeBadRequest) // behind the end
		assertCode(t, c.ask(c.get(0, 7)), lwm2m.CodeBadRequest)
		for _, tc := range []struct {
			match []string
			want  lwm2m.Code
		}{
			{[]string{"other"}, lwm2m.CodePreconditionFailed},
			{[]string{"other", "\x00\x00\x00\x01"}, lwm2m.CodeContent},
			{[]string{""}, lwm2m.CodeContent}, // whichever it is
		} {
			m := c.get(1, 6)
			m.AddStrings(coap.IfMatch, tc.match)
			assertCode(t, c.ask(m), tc.want)
		}
		register := r.dial(5683)
		m := register.registerMessage("ep")
		m.AddString(coap.IfMatch, "x")
		assertCode(t, register.ask(m), lwm2m.CodeBadOption)
		r.server.RemoveFile(imagePath)
		assertCode(t, c.ask(c.get(0, 6)), lwm2m.CodeNotFound)
	})
}

// A management server serves files on the port that clients register at.
func TestFetchFromTheManagementServer(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("ep", []byte("secret")), func(t *testing.T, r *rig) {
		r.server.SetFile(imagePath, Pattern(1).File(imageSize))
		c := r.mustHandshake(5683, pskClient("ep", []byte("secret")))
		c.register("ep")
		if got := c.fetchAll(1024, 6); !bytes.Equal(got, sliceOf(t, 1, 1024, imageSize)) {
			t.Errorf("%d bytes that are not those of the image", len(got))
		}
		all := r.server.Fetches(imagePath)
		if len(all) != 3 || all[0].Endpoint != "ep" || all[0].Identity != "ep" || all[0].Sent != 1024 || all[2].Sent != 100 {
			t.Errorf("fetched: %+v", all)
		}
		records := r.server.Requests("ep", Fetch)
		if len(records) != 1 || records[0].Location != "images/fw.bin" || records[0].Answer != lwm2m.CodeContent {
			t.Errorf("history: %+v", records)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodeGET, []string{"other"}, nil, "")), lwm2m.CodeNotFound)
		if r.server.Seen("", Other) != 1 {
			t.Error("what is no file is no request of another kind")
		}
	})
}

func TestFetchWithCertificates(t *testing.T) {
	set := testpki.Must(t, "gw")
	realX509(t, NoSec(), func(t *testing.T, r *realRig) {
		r.service = r.server.ServeFiles(must(net.ListenPacket("udp", "127.0.0.1:0"))(t), X509(set.Server.TLS(), set.CA.Pool()))
		r.server.SetFile(imagePath, Pattern(1).File(imageSize))
		c := must(r.dial(x509Client(set.CA, set.Client)))(t)
		defer c.conn.Close()
		if got := c.fetchAll(0, 6); !bytes.Equal(got, sliceOf(t, 1, 0, imageSize)) {
			t.Errorf("%d bytes that are not those of the image", len(got))
		}
	})
}

// TestFetchStarts: where a client goes back, or begins anew, is told from where it goes on.
func TestFetchStarts(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		c.ask(c.get(0, 6))
		c.send(c.get(1, 6))
		c.next()
		again := c.get(2, 6)
		c.ask(again)
		c.ask(again) // a resend
		c.ask(c.get(2, 6))
		c.ask(c.get(3, 6))
		other := r.dial(5000)
		other.ask(other.get(1, 6))
		if got := r.server.FetchStarts(imagePath); !slices.Equal(got, []int64{0, 2048, 1024}) {
			t.Errorf("fetching began at %v", got)
		}
		if n := r.server.FetchCount(imagePath); n != 6 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestSpoiledFiles(t *testing.T) {
	for name, c := range map[string]struct {
		fault FileFault
		check func(t *testing.T, answer coap.Message)
	}{
		"an error": {
			FileFault{Behaviour: Behaviour{Answer: lwm2m.CodeServiceUnavailable, MaxAge: new(uint32(30))}},
			func(t *testing.T, m coap.Message) {
				if age, _ := m.Uint(coap.MaxAge); m.Code != lwm2m.CodeServiceUnavailable || age != 30 || m.Has(coap.Block2) || len(m.Payload) > 0 {
					t.Errorf("%v %+v", m, m.Options)
				}
			},
		},
		"a reset": {
			FileFault{Behaviour: Behaviour{Reset: true}},
			func(t *testing.T, m coap.Message) {
				if m.Type != coap.RST {
					t.Errorf("%v", m)
				}
			},
		},
		"a smaller block": {
			FileFault{BlockSize: 64},
			func(t *testing.T, m coap.Message) {
				if block, _ := m.Block(coap.Block2); block != (coap.Block{Num: 32, More: true, SZX: 2}) || !bytes.Equal(m.Payload, sliceOf(t, 1, 2048, 2048+64)) {
					t.Errorf("%v %v", m, block)
				}
			},
		},
		"another number": {
			FileFault{Shift: 1},
			func(t *testing.T, m coap.Message) {
				if block, _ := m.Block(coap.Block2); block.Num != 3 || !bytes.Equal(m.Payload, sliceOf(t, 1, 2048, 3072)) {
					t.Errorf("%v %v", m, block)
				}
			},
		},
		"a short block": {
			FileFault{Cut: 24},
			func(t *testing.T, m coap.Message) {
				if block, _ := m.Block(coap.Block2); !block.More || len(m.Payload) != 1000 {
					t.Errorf("%v %v", m, block)
				}
			},
		},
		"an early end": {
			FileFault{More: new(false)},
			func(t *testing.T, m coap.Message) {
				if block, _ := m.Block(coap.Block2); block.More || len(m.Payload) != 1024 {
					t.Errorf("%v %v", m, block)
				}
			},
		},
		"another ETag": {
			FileFault{ETag: []byte("x")},
			func(t *testing.T, m coap.Message) {
				if etag, _ := m.Bytes(coap.ETag); string(etag) != "x" {
					t.Errorf("ETag %x", etag)
				}
			},
		},
		"no ETag": {
			FileFault{ETag: []byte{}},
			func(t *testing.T, m coap.Message) {
				if m.Has(coap.ETag) {
					t.Errorf("%+v", m.Options)
				}
			},
		},
		"other content": {
			FileFault{Replace: new(Pattern(2).File(imageSize))},
			func(t *testing.T, m coap.Message) {
				if etag, _ := m.Bytes(coap.ETag); !bytes.Equal(m.Payload, sliceOf(t, 2, 2048, 3072)) || bytes.Equal(etag, []byte{0, 0, 0, 1}) {
					t.Errorf("%v, ETag %x", m, etag)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, client *client) {
				c.fault.From = 2048
				r.server.SpoilFile(imagePath, 1, c.fault)
				for num := range uint32(2) {
					assertCode(t, client.ask(client.get(num, 6)), lwm2m.CodeContent)
				}
				client.send(client.get(2, 6))
				c.check(t, client.next())
				assertCode(t, client.ask(client.get(2, 6)), lwm2m.CodeContent)
			})
		})
	}
}

func TestSpoiledFilesStaySilentUntilMended(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		r.server.SpoilFile(imagePath, -1, FileFault{From: 1, Behaviour: Behaviour{Silent: true}})
		assertCode(t, c.ask(c.get(0, 6)), lwm2m.CodeContent)
		for range 3 {
			c.send(c.get(1, 6))
		}
		c.silence()
		r.server.MendFiles()
		assertCode(t, c.ask(c.get(1, 6)), lwm2m.CodeContent)
		if silent := r.server.Fetches(imagePath)[1]; silent.Answer != lwm2m.CodeEmpty || silent.Sent != 0 {
			t.Errorf("what was not answered: %+v", silent)
		}
	})
}

func TestSeparateAnswersToFetches(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		r.server.SpoilFile(imagePath, 1, FileFault{Behaviour: Behaviour{Separate: true, Delay: time.Minute}})
		request := c.get(0, 6)
		c.send(request)
		if ack := c.next(); ack.Type != coap.ACK || !ack.IsEmpty() {
			t.Fatalf("%v", ack)
		}
		answer := c.next()
		if answer.Type != coap.CON || string(answer.Token) != string(request.Token) || len(answer.Payload) != 1024 || time.Since(r.start) != time.Minute {
			t.Errorf("%v after %v", answer, time.Since(r.start))
		}
		c.send(coap.EmptyACK(answer.MID))
	})
}

func TestFilesThatLie(t *testing.T) {
	filesBubble(t, ServerOptions{}, func(t *testing.T, r *rig, c *client) {
		r.server.SetFile(imagePath, File{Content: Pattern(1), Size: imageSize, Size2: 7, Endless: true})
		if size, _ := c.ask(c.get(0, 6)).Uint(coap.Size2); size != 7 {
			t.Errorf("Size2 %d", size)
		}
		last := c.ask(c.get(3, 6))
		if block, _ := last.Block(coap.Block2); !block.More || !bytes.Equal(last.Payload, append(sliceOf(t, 1, 3072, imageSize), make([]byte, 1024-100)...)) {
			t.Errorf("the block with the end: %v %v", last, block)
		}
		behind := c.ask(c.get(coap.MaxBlockNumber, 6))
		if block, _ := behind.Block(coap.Block2); !block.More || len(behind.Payload) != 1024 {
			t.Errorf("the last block that there can be: %v %v", behind, block)
		}
	})
}

// TestFetchesAreBounded, as the history is: a server on trial runs for long.
func TestFetchesAreBounded(t *testing.T) {
	filesBubble(t, ServerOptions{MaxHistory: 10}, func(t *testing.T, r *rig, c *client) {
		for i := range 100 {
			c.ask(c.get(uint32(i%2), 6))
		}
		if kept := len(r.server.Fetches(imagePath)); kept > 20 || r.server.FetchCount(imagePath) != 100 {
			t.Errorf("%d kept of %d", kept, r.server.FetchCount(imagePath))
		}
	})
}

func TestServeDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "fw.bin"), "0123456789")
	write(t, filepath.Join(dir, "sub", "deep.bin"), "deep")
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "secret")
	if err := os.Symlink(outside, filepath.Join(dir, "leak")); err != nil {
		t.Skip(err)
	}
	root := must(os.OpenRoot(dir))(t)
	defer root.Close()
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.ServeDirectory(root.FS())
		c := r.dial(5683)
		get := func(path ...string) coap.Message { return c.ask(c.message(lwm2m.CodeGET, path, nil, "")) }
		first := get("fw.bin")
		if string(first.Payload) != "0123456789" || string(get("sub", "deep.bin").Payload) != "deep" {
			t.Errorf("got %v", first)
		}
		for _, path := range [][]string{
			{"leak"}, {"..", "secret"}, {"sub"}, {"sub", "..", "fw.bin"}, {"sub/deep.bin"}, {"sub", "", "deep.bin"}, {".", "fw.bin"},
			{"none"}, {outside}, {`sub\deep.bin`}, {"fw.bin\x00"},
		} {
			if answer := get(path...); answer.Code != lwm2m.CodeNotFound {
				t.Errorf("%q: %v %q", path, answer, answer.Payload)
			}
		}
		write(t, filepath.Join(dir, "fw.bin"), "0123456789a")
		old, _ := first.Bytes(coap.ETag)
		if etag, _ := get("fw.bin").Bytes(coap.ETag); bytes.Equal(etag, old) || len(etag) == 0 {
			t.Errorf("ETag %x of another version, %x before", etag, old)
		}
	})
}

// TestNamedPipesAreNoFiles: opening one would wait for whoever writes to it.
func TestNamedPipesAreNoFiles(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.ServeDirectory(fstest.MapFS{"pipe": {Mode: os.ModeNamedPipe}, "file": {Data: []byte("x")}})
		c := r.dial(5683)
		assertCode(t, c.ask(c.message(lwm2m.CodeGET, []string{"pipe"}, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.message(lwm2m.CodeGET, []string{"file"}, nil, "")), lwm2m.CodeContent)
	})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
