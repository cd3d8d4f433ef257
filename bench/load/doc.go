// Package load is a crowd of ssh clients: it connects sessions to a server on
// this machine, lets them talk at a given rate, and counts what each of them is
// shown, with the time it took. It shares the machine with the server, so it is
// built to cost little: streams are searched for markers, never interpreted.
package load
