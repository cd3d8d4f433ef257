package target

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGoroutines(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "# TYPE go_goroutines gauge\ngo_goroutines 42\n")
	}))
	defer server.Close()
	o := newOutput()
	io.WriteString(o, "msg=\"metrics are served\" url="+server.URL+"/metrics\nlistening on 127.0.0.1:2222\n")
	if port := <-o.port; port != "2222" {
		t.Errorf("port %s", port)
	}
	served := &Target{output: o}
	if n, err := served.Goroutines(t.Context()); n != 42 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	silent := &Target{output: newOutput()}
	if _, err := silent.Goroutines(t.Context()); !errors.Is(err, ErrNoMetrics) {
		t.Errorf("without metrics: %v", err)
	}
}
