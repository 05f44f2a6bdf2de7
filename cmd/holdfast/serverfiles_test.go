package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// fetch sends one request to a server without security, and returns the answer.
func fetch(t *testing.T, address string, path ...string) coap.Message {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m := coap.Message{Type: coap.CON, Code: lwm2m.CodeGET, MID: 7, Token: []byte{1}}
	m.AddStrings(coap.URIPath, path)
	data, err := coap.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 2048)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := coap.Decode(answer[:n])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The files of a directory can be fetched, and nothing that is not in it.
func TestServerServesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	if err := os.MkdirAll(filepath.Join(images, "gw"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"images/gw/fw.bin": "image", "secret": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(images, "link")); err != nil {
		t.Fatal(err)
	}
	server := start(t, "server", "--json", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--files", images)
	uri, _ := server.until("listening")["uri"].(string)
	bootstrap, _ := server.until("listening")["uri"].(string)
	address := strings.TrimPrefix(uri, "coap://")
	if got := fetch(t, address, "gw", "fw.bin"); got.Code != lwm2m.CodeContent || string(got.Payload) != "image" {
		t.Errorf("got %v %q", got, got.Payload)
	}
	if said := server.until("fetch"); said["location"] != "gw/fw.bin" || said["answer"] != "2.05" {
		t.Errorf("it says %v", said)
	}
	for _, path := range [][]string{{"link"}, {"..", "secret"}, {"gw"}, {filepath.Join(dir, "secret")}} {
		if got := fetch(t, address, path...); got.Code != lwm2m.CodeNotFound {
			t.Errorf("%q: %v %q", path, got, got.Payload)
		}
	}
	if got := fetch(t, strings.TrimPrefix(bootstrap, "coap://"), "gw", "fw.bin"); got.Code != lwm2m.CodeNotFound {
		t.Errorf("the bootstrap server answers %v", got)
	}
	if exit := server.end(); exit != exitDone {
		t.Errorf("exit %d", exit)
	}
}

func TestServerNeedsTheDirectoryOfFiles(t *testing.T) {
	got := invoke(t.Context(), "server", "--nosec", "--files", filepath.Join(t.TempDir(), "none"))
	if got.exit != exitConfig || !strings.Contains(got.stderr, "--files: ") {
		t.Errorf("exit %d, %s", got.exit, got.stderr)
	}
}
