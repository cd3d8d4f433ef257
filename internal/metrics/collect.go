package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"whoelse/room"
	"whoelse/room/history"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
)

// Sources are asked for statistics when metrics are asked for. The functions may be
// called concurrently.
type Sources struct {
	Version   string // the program's
	Room      func() room.Stats
	Store     func() history.Stats
	Admission func() admission.Stats
	Quota     func() quota.Stats
	Space     func() space.Stats
}

// registry has all metrics: ours, of Go and of the process.
func (s Sources) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector makes metrics of the sources. Its methods may be called concurrently.
type collector struct{ Sources }

// Describe implements prometheus.Collector: without descriptions, Collect alone says what
// there is.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. docs/metrics.md lists its metrics, too.
func (c collector) Collect(out chan<- prometheus.Metric) {
	w := metricWriter{out}
	w.gauge("info", "1, with the version.", 1, "version", c.Version)

	people := c.Room()
	w.gauge("sessions", "Sessions in the room.", people.Sessions)
	w.gauge("members", "Nicks in the room, guests among them.", people.Members)
	w.gauge("guests", "Guests in the room.", people.Guests)
	for kind, n := range people.Messages {
		w.counter("messages_total", "Messages that were shown or kept.", n, "kind", string(kind))
	}

	conns := c.Admission()
	w.gauge("connections", "Connections, by whether they have logged in.", conns.Handshakes, "state", "login")
	w.gauge("connections", "Connections, by whether they have logged in.", conns.Sessions, "state", "in")
	w.counter("connections_admitted_total", "Connections that were let try to log in.", conns.Admitted)
	for why, n := range conns.Refused {
		w.counter("connections_refused_total", "Connections that were refused before the login.", n, "reason", string(why))
	}
	for how, n := range conns.Failed {
		w.counter("logins_failed_total", "Logins that failed.", n, "how", string(how))
	}

	store := c.Store()
	w.gauge("storage_trouble", "1 while nothing is accepted.", one(store.Log.Trouble != nil))
	w.counter("storage_refused_total", "Messages and marks that could not be kept.", store.Log.Refused)
	w.counter("storage_damaged_total", "Damaged lines and ends of files that were found.", store.Damaged)
	w.gauge("log_bytes", "Size of the log's open segment.", int(store.Log.Bytes))
	w.counter("log_syncs_total", "Fsyncs of the log; each is for all that waited.", store.Log.Syncs)
	w.gauge("log_segments", "Segments of the log, with the open one.", store.Log.Segments)
	w.gauge("histories_late", "Histories that lack lines which only the log has.", store.Late)
	w.counter("history_syncs_total", "Fsyncs of histories.", store.Synced)

	stored := c.Quota()
	w.gauge("quota_charged_bytes", "Bytes that messages were charged for since the start.", int(stored.Charged))
	for limit, n := range stored.Refused {
		w.counter("quota_refused_total", "Messages that were refused, by whose limit was reached.", n, "limit", string(limit))
	}
	for limit, n := range stored.Remembered {
		w.gauge("quota_accounts", "Nicks, addresses and networks that are remembered.", n, "limit", string(limit))
	}

	data := c.Space()
	w.gauge("data_bytes", "Size of the data folder; 0 without --data-max.", int(data.Bytes))
	w.gauge("data_max_bytes", "--data-max; 0 is no limit.", int(data.Max))
	w.gauge("data_stage", "0; 1 when guests can't send, 2 when no nicks can be claimed, 3 when nobody can send.", int(data.Stage))
	w.gauge("disk_low", "1 while less than 5 % of the data folder's disk is free.", one(data.DiskLow))
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// metricWriter writes metrics, each with a label and its value, or without.
type metricWriter struct{ out chan<- prometheus.Metric }

func (w metricWriter) gauge(name, help string, n int, label ...string) {
	w.write(prometheus.GaugeValue, name, help, float64(n), label)
}

func (w metricWriter) counter(name, help string, n uint64, label ...string) {
	w.write(prometheus.CounterValue, name, help, float64(n), label)
}

func (w metricWriter) write(kind prometheus.ValueType, name, help string, n float64, label []string) {
	labels := prometheus.Labels{}
	if len(label) > 0 {
		labels[label[0]] = label[1]
	}
	w.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("whoelse_"+name, help, nil, labels), kind, n)
}
