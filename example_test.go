package holdfast_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// The README shows this function; a test keeps the two alike.
func Example() {
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001",
		StateDir: "./state",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
	})
	if err != nil {
		panic(err) // names every fault of the configuration
	}
	events, _ := client.Events(64)
	if err := client.Start(context.Background()); err != nil {
		panic(err) // another process uses the state directory
	}
	for event := range events {
		fmt.Println(event.Type, event.State, event.Name, event.Detail)
	}
}

func ExampleClient_Await() {
	cfg, err := holdfast.LoadConfig("gw.yaml")
	if err != nil {
		panic(err)
	}
	client, err := holdfast.New(cfg)
	if err != nil {
		panic(err)
	}
	if err := client.Start(context.Background()); err != nil {
		panic(err)
	}
	defer client.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := client.Await(ctx, holdfast.Registered); err != nil {
		fmt.Println("not yet, and the client goes on trying:", err)
	}
}

func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, found := strings.Cut(after, "\n}\n")
	if !found {
		t.Fatal("func Example is not where it was")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for line := range strings.Lines(body) {
		shown = append(shown, strings.TrimPrefix(strings.TrimRight(line, "\n"), "\t"))
	}
	if !strings.Contains(string(readme), strings.Join(shown, "\n")) {
		t.Error("README.md does not show func Example as it is compiled")
	}
}
