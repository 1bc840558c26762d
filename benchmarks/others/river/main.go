// River: `river noop 10000` makes its tables and fills them, `river work 256` works until it is killed.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const chunk = 1000

// The same texts and receivers as benchmarks/traffic.py.
const padding = "your parcel is on its way and arrives tomorrow before noon."

type message struct {
	Receiver string `json:"receiver"`
	Message  string `json:"message"`
}

type noopArgs struct{ message }

func (noopArgs) Kind() string { return "noop" }

type httpArgs struct{ message }

func (httpArgs) Kind() string { return "http" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
}

func (noopWorker) Work(context.Context, *river.Job[noopArgs]) error { return nil }

type httpWorker struct {
	river.WorkerDefaults[httpArgs]
	client *http.Client
}

// Work posts as Slack's webhooks want it.
func (w *httpWorker) Work(ctx context.Context, job *river.Job[httpArgs]) error {
	body, err := json.Marshal(map[string]string{"text": job.Args.Message})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, job.Args.Receiver, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("BENCH_STORE"))
	check(err)
	defer pool.Close()
	number, err := strconv.Atoi(os.Args[2])
	check(err)
	if os.Args[1] == "work" {
		work(ctx, pool, number)
	} else {
		fill(ctx, pool, os.Args[1], number)
	}
}

// work runs so many workers. Its waits between two fetches are short, which is what limits it otherwise.
func work(ctx context.Context, pool *pgxpool.Pool, workers int) {
	transport := &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers}
	registry := river.NewWorkers()
	river.AddWorker(registry, &noopWorker{})
	river.AddWorker(registry, &httpWorker{client: &http.Client{Transport: transport}})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:           registry,
	})
	check(err)
	check(client.Start(ctx))
	<-ctx.Done()
}

func fill(ctx context.Context, pool *pgxpool.Pool, kind string, count int) {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New[pgx.Tx](driver, nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	client, err := river.NewClient(driver, &river.Config{})
	check(err)
	for start := 0; start < count; start += chunk {
		var params []river.InsertManyParams
		for n := start; n < min(start+chunk, count); n++ {
			params = append(params, river.InsertManyParams{Args: args(kind, n)})
		}
		_, err := client.InsertManyFast(ctx, params)
		check(err)
	}
}

func args(kind string, n int) river.JobArgs {
	made := message{
		Receiver: fmt.Sprintf("%s/services/T%06d/B000001/secret", os.Getenv("BENCH_URL"), n),
		Message:  fmt.Sprintf("Hello n%d plain, %s", n, padding),
	}
	if kind == "http" {
		return httpArgs{made}
	}
	return noopArgs{made}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
