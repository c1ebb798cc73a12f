package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver that newCluster makes a user with
)

// cluster is a PostgreSQL server of a test's own, which may crash it or ask for passwords.
type cluster struct {
	t    testing.TB
	bin  string
	dir  string
	port int
}

// clusterPassword is the password of the user "locked", who has to give it; "postgres" needs none.
const clusterPassword = "right horse"

func newCluster(t testing.TB) *cluster {
	t.Helper()
	bin := os.Getenv("THREADSTORE_TEST_POSTGRES_BIN")
	if bin == "" {
		t.Fatal("THREADSTORE_TEST_POSTGRES_BIN is not set: run the tests by `make test`, or one package by " +
			"`.ci/with-postgres go test ./e2e`, which set it")
	}
	// Not t.TempDir: PostgreSQL's own user could not enter it.
	dir, err := os.MkdirTemp("", "threadstore-e2e-postgres-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // best effort, as the system's temporary folder
	c := &cluster{t: t, bin: bin, dir: dir}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		if err := os.Chown(c.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	c.run("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	c.write("postgresql.auto.conf", fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories "+
		"= ''\njit = off\n", c.port))
	c.write("pg_hba.conf", "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
	t.Cleanup(func() {
		_ = c.command("pg_ctl", "-D", c.data(), "-m", "immediate", "stop").Run() // it may not be running
	})
	c.ctl("start")
	conn, err := sql.Open("postgres", c.url("postgres", "postgres")+"?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Exec("CREATE USER locked SUPERUSER PASSWORD '" + clusterPassword + "'"); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// write replaces a file of the cluster and keeps its owner.
func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.data(), name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// url returns the URL of a database of the cluster for a user.
func (c *cluster) url(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s", user, c.port, database)
}

// ctl starts, stops or restarts the cluster; -m immediate is a crash: nothing is flushed, and the next start recovers.
func (c *cluster) ctl(args ...string) {
	c.t.Helper()
	c.run("pg_ctl", append([]string{"-D", c.data(), "-w", "-l", filepath.Join(c.dir, "log")}, args...)...)
}

func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	// Its output goes to a file: a pipe would be held open by the server that pg_ctl leaves behind.
	out, err := os.Create(filepath.Join(c.t.TempDir(), "out"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	cmd := c.command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		c.t.Fatalf("%s %q: %v\n%s\n%s", name, args, err, tail(string(text)), tail(string(log)))
	}
}

func (c *cluster) command(name string, args ...string) *exec.Cmd {
	line := append([]string{filepath.Join(c.bin, name)}, args...)
	if os.Getuid() == 0 {
		line = append([]string{"runuser", "-u", "postgres", "--"}, line...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	c.t.Cleanup(cancel)
	cmd.Dir = c.dir
	return cmd
}
