import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'node:test';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const MODULE = 'module example.test/hello\n\ngo 1.18\n';
const MAIN = `package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
)

func main() {
	var group sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for n := 0; n < 1000; n++ {
		group.Add(1)
		go func(n int) { defer group.Done(); lock.Lock(); total += n; lock.Unlock() }(n)
	}
	group.Wait()
	fmt.Println("total", total)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { connection, _ := listener.Accept(); fmt.Fprint(connection, "over loopback"); connection.Close() }()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 64)
	length, _ := connection.Read(buffer)
	fmt.Println(string(buffer[:length]))

	output, err := exec.Command("echo", "child").Output()
	fmt.Print(string(output), err, "\\n")
	home, _ := os.UserHomeDir()
	fmt.Println(home)
}
`;

void suite('Go', () => {
  testWith(
    ['go'],
    "builds with the preset 'build', and runs with the default one, also under 128 MiB",
    async (context) => {
      const directory = temporaryDirectory(context, {
        'go.mod': MODULE,
        'main.go': MAIN,
      });
      // The compiled standard library is larger than the scratch space, so the cache lies with the sources.
      await run('go', ['build', '-o', 'hello', '.'], {
        syscalls: 'build',
        // It compiles the standard library, for a minute where others work, too.
        limits: { wallTime: '4min' },
        filesystem: { writable: [directory] },
        cwd: directory,
        env: {
          GOCACHE: join(directory, 'cache'),
          GOFLAGS: '-buildvcs=false',
          GOTOOLCHAIN: 'local',
        },
      });
      const program = join(directory, 'hello');
      const expected = 'total 499500\nover loopback\nchild\n<nil>\n/home/sandbox';
      assert.equal(await stdoutOf(program), expected);
      assert.equal(await stdoutOf(program, [], { limits: { memory: '128MiB' } }), expected);
      // The toolchain is no part of it.
      execFileSync('rm', ['-rf', join(directory, 'cache')]);
    },
    { timeout: 300_000 },
  );

  testWith(['go'], 'a hello world starts under a memory limit of 128 MiB, and go itself does', async () => {
    assert.match(await stdoutOf('go', ['version'], { limits: { memory: '128MiB' } }), /^go version go1\./);
  });
});
