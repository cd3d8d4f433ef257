package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"whoelse/internal/limit"
	"whoelse/room"
	"whoelse/room/cluster"
	"whoelse/room/history"
	"whoelse/sessions/admission"
	"whoelse/sessions/space"
)

// Sources are asked for statistics when metrics are asked for. The functions and methods may be
// called concurrently.
type Sources struct {
	Version   string // the program's
	Room      func() room.Stats
	Store     func() history.Stats
	Admission func() admission.Stats
	Quota     func() limit.Stats
	Space     func() space.Stats
	Cluster   func() cluster.Stats // nil: a single server
}

// Describe implements prometheus.Collector: without descriptions, Collect alone says what
// there is.
func (Sources) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. docs/metrics.md lists its metrics, too.
func (s Sources) Collect(out chan<- prometheus.Metric) {
	putEach(out, "info", "1, with the version.", "version", map[string]int{s.Version: 1})

	people := s.Room()
	put(out, "sessions", "Sessions in the room.", people.Sessions)
	put(out, "members", "People in the room: nicks, guests among them, without bots.", people.Members)
	put(out, "guests", "Guests in the room.", people.Guests)
	put(out, "bots", "Bots in the room.", people.Bots)
	putEach(out, "messages_total", "Messages that were shown or kept.", "kind", people.Messages)

	putEach(out, "rooms", "Rooms beside the lobby.", "access",
		map[string]int{"public": people.Rooms - people.Private, "private": people.Private})
	put(out, "room_lines_total", "Messages that were said in rooms beside the lobby.", people.RoomLines)

	conns := s.Admission()
	putEach(out, "connections", "Connections, by whether they have logged in.", "state",
		map[string]int{"login": conns.Handshakes, "in": conns.Sessions})
	put(out, "connections_admitted_total", "Connections that were allowed to log in.", conns.Admitted)
	putEach(out, "connections_refused_total", "Connections refused before the login.", "reason", conns.Refused)
	putEach(out, "logins_failed_total", "Logins that failed.", "how", conns.Failed)

	store := s.Store()
	put(out, "storage_trouble", "1 while nothing is accepted.", one(store.Log.Trouble != nil))
	put(out, "storage_refused_total", "Messages and marks that could not be kept.", store.Log.Refused)
	put(out, "storage_damaged_total", "Damaged lines and ends of files that were found.", store.Damaged)
	put(out, "log_bytes", "Size of the log's open segment.", store.Log.Bytes)
	put(out, "log_syncs_total", "Fsyncs of the log; each is for all that waited.", store.Log.Syncs)
	put(out, "log_segments", "Segments of the log, with the open one.", store.Log.Segments)
	put(out, "histories_late", "Histories that lack lines which only the log has.", store.Late)
	put(out, "history_syncs_total", "Fsyncs of histories.", store.Synced)

	stored := s.Quota()
	put(out, "quota_charged_bytes", "Bytes that messages were charged for since the start.", stored.Charged)
	putEach(out, "quota_refused_total", "Messages refused, by the limit that was reached.", "limit", stored.Refused)
	putEach(out, "quota_accounts", "Nicks, addresses and networks remembered.", "limit", stored.Remembered)

	data := s.Space()
	put(out, "data_bytes", "Size of the data folder; 0 without --data-max.", data.Bytes)
	put(out, "data_max_bytes", "--data-max; 0 is no limit.", data.Max)
	put(out, "data_stage", "1: guests can't send; 2: no nicks can be claimed; 3: nobody can send.", data.Stage)
	put(out, "disk_low", "1 while less than 5 % of the data folder's disk is free.", one(data.DiskLow))

	if s.Cluster == nil {
		return
	}
	with := s.Cluster()
	put(out, "cluster_connected", "1 while this server is connected to NATS.", one(with.Connected))
	put(out, "cluster_trouble", "1 while this server can't follow the cluster's stream.", one(with.Trouble))
	put(out, "cluster_events_behind", "Events in the stream that this server does not have yet.", with.Behind)
	put(out, "cluster_servers", "Servers of the cluster that are alive, with this one.", with.Servers)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// number is what a metric can be.
type number interface{ ~int | ~int64 | ~uint64 }

func put[N number](out chan<- prometheus.Metric, name, help string, n N) {
	putEach(out, name, help, "", map[string]N{"": n})
}

// putEach writes a metric for each value of its label. Names of counters end in _total.
func putEach[K ~string, N number](out chan<- prometheus.Metric, name, help, label string, values map[K]N) {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(name, "_total") {
		kind = prometheus.CounterValue
	}
	for value, n := range values {
		var labels prometheus.Labels
		if label != "" {
			labels = prometheus.Labels{label: string(value)}
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("whoelse_"+name, help, nil, labels), kind, float64(n))
	}
}
