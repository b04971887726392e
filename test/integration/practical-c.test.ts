import assert from 'node:assert/strict';
import { suite } from 'node:test';
import { C_PROJECT } from '../helpers/c-project.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const HELLO = '#include <stdio.h>\nint main(void) { puts("hello from C"); }\n';

void suite('C', () => {
  testWith(['gcc', 'make'], 'gcc and make build a program in the scratch space, and it runs there', async (context) => {
    const project = temporaryDirectory(context, C_PROJECT);
    const script = 'cp /project/* . && make -s -j4 words && make -s check && make -s clean && ls';
    const output = await stdoutOf('sh', ['-c', script], {
      filesystem: { readOnly: [{ source: project, target: '/project' }] },
    });
    assert.equal(output, 'the 3 9.0\nMakefile\nmain.c\nscore.c\ntable.c\ntable.h');
  });

  testWith(['gcc', 'make'], 'what one sandbox has built in a writable directory runs in another', async (context) => {
    const project = temporaryDirectory(context, C_PROJECT);
    const build = await run('make', ['-j4'], {
      filesystem: { writable: [project] },
      cwd: project,
    });
    assert.match(build.stdout, /-shared -o libscore\.so/);
    const program = `${project}/words`;
    const input = 'b a b';
    assert.equal(
      await stdoutOf(program, [], {
        filesystem: { readOnly: [project] },
        input,
      }),
      'b 2 6.0',
    );
    // Nothing is rebuilt: times and owners are what make left.
    const again = await run('make', ['words'], {
      filesystem: { writable: [project] },
      cwd: project,
    });
    assert.match(again.stdout, /up to date/);
  });

  testWith(['gcc'], 'a program that lies anywhere runs by its path alone', async (context) => {
    const directory = temporaryDirectory(context, { 'hello.c': HELLO });
    await run('gcc', ['-O2', '-o', 'hello', 'hello.c'], {
      filesystem: { writable: [directory] },
      cwd: directory,
    });
    assert.equal(await stdoutOf(`${directory}/hello`), 'hello from C');
  });

  testWith(['musl-gcc'], 'a static program of musl is built and runs', async (context) => {
    const directory = temporaryDirectory(context, {
      'main.c': `
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *nothing(void *unused) { return unused; }
int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, 0, nothing, 0) || pthread_join(thread, 0)) return 1;
  FILE *child = popen("echo from a child", "r");
  char line[64] = "";
  if (!child || !fgets(line, sizeof line, child) || pclose(child)) return 2;
  printf("%s %s", getpwuid(getuid())->pw_name, line);
}`,
    });
    const options = { filesystem: { writable: [directory] }, cwd: directory };
    await run('musl-gcc', ['-static', '-O2', '-o', 'program', 'main.c'], options);
    assert.equal(await stdoutOf(`${directory}/program`), 'sandbox from a child');
  });

  testWith(['gcc'], 'a program under the address sanitizer runs', async () => {
    const script = `
      cat > main.c && gcc -g -fsanitize=address,undefined -o main main.c &&
      ASAN_OPTIONS=detect_leaks=0 ./main 2>&1 x | grep -o 'heap-buffer-overflow' | head -1; ASAN_OPTIONS=detect_leaks=0 ./main`;
    const input =
      '#include <stdlib.h>\nint main(int c, char **v) { (void)v; char *p = malloc(8); p[c * 7 - 6 + (c > 1 ? 2 : 0)] = 1; free(p); }';
    assert.equal(await stdoutOf('sh', ['-c', script], { input, syscalls: 'build' }), 'heap-buffer-overflow');
  });
});
