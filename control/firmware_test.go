package control_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A client that nobody has given updates has no question to be answered, no status of them
// and no series.
func TestControlWithoutFirmware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		for path, want := range map[string]struct {
			status int
			says   string
		}{
			"/v1/firmware/grant":          {http.StatusConflict, "updates of the firmware are not configured"},
			"/v1/firmware/refuse":         {http.StatusConflict, "ConnectNotAllowed"},
			"/v1/firmware/defer":          {http.StatusConflict, "firmware.authorise: ask"},
			"/v1/firmware/defer?for=90m":  {http.StatusConflict, "ConnectNotAllowed"},
			"/v1/firmware/defer?for=soon": {http.StatusBadRequest, "for is the duration"},
			"/v1/firmware/defer?for=-1m":  {http.StatusBadRequest, "for is the duration"},
			"/v1/firmware/grant?for=1m":   {http.StatusBadRequest, "for is the duration"},
			"/v1/firmware/maybe":          {http.StatusNotFound, ""},
		} {
			got := c.Ask(http.MethodPost, path)
			if got.Code != want.status || !strings.Contains(got.Body.String(), want.says) {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		if got := c.Ask(http.MethodGet, "/v1/firmware/grant"); got.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", got.Code)
		}
		var status map[string]any
		if err := json.Unmarshal(c.Ask(http.MethodGet, "/v1/status").Body.Bytes(), &status); err != nil || status["firmware"] != nil {
			t.Errorf("%v, %v", status["firmware"], err)
		}
		for _, line := range c.Scrape() {
			if strings.HasPrefix(line, "holdfast_firmware") {
				t.Error(line)
			}
		}
		c.ExpectClose(nil)
	})
}

// The series of updates have the numbers of the object that the update was begun by.
func TestFirmwareSeries(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(control.FirmwareSeries{Status: &holdfast.FirmwareStatus{Object: 10252, State: 4, Result: -1, Progress: 512, Total: 1024, Pending: 2}})
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`holdfast_firmware_state{endpoint="g",object="10252"} 4`, `holdfast_firmware_result{endpoint="g",object="10252"} -1`,
		`holdfast_firmware_progress_bytes{endpoint="g"} 512`, `holdfast_firmware_total_bytes{endpoint="g"} 1024`,
		`holdfast_firmware_reports_pending{endpoint="g"} 2`,
	} {
		if !strings.Contains(recorder.Body.String(), want+"\n") {
			t.Errorf("no %s in %s", want, recorder.Body)
		}
	}
}
