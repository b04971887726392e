export const HELP = `Usage:
  spawn-sandbox run [options] -- COMMAND [ARG...]   run a command confined
  spawn-sandbox shell [options] [-- COMMAND [ARG...]]   an interactive shell, confined
  spawn-sandbox doctor [--json]                     tell what can be enforced on this machine
  spawn-sandbox doctor --audit [--json]             tell what of this machine weakens every sandbox
  spawn-sandbox selftest [--json] [--via COMMAND]   attack a sandbox, and tell what holds
  spawn-sandbox unpack IMAGE DIRECTORY              make a directory for --root from an OCI image
  spawn-sandbox --help
  spawn-sandbox --version

Limits of run and shell (sizes as 256MiB, durations as 500ms, 10s or 2m; Infinity lifts a limit):
  --memory SIZE            all processes together, scratch included   [512MiB]
  --processes N            processes and threads                      [128]
  --wall-time DURATION     from release to end                        [60s; of shell: Infinity]
  --cpu-time DURATION      processor time                             [Infinity]
  --idle-time DURATION     without a byte of output                   [Infinity]
  --output SIZE            stdout and stderr together                 [64MiB; of shell: Infinity]
  --scratch SIZE           /tmp, /dev/shm and home together           [64MiB, at most half of the memory]
  --scratch-on memory|disk where that lies; a disk needs root         [memory]

What the command sees:
  --read-only SRC[:DST]    show a file or directory; may be repeated
  --writable SRC[:DST]     show it writable; may be repeated
  --overlay SRC[:DST]      show a directory writable, and keep what is written aside; may be repeated
  --review                 show what was written to overlays, and ask whether to keep it
  --commit, --discard      the same without asking: keep it if the command has succeeded, or throw it away
  --hide PATTERN           show a path as empty, as .env, '*.pem' or '**/*.key'; may be repeated
  --protect PATTERN        keep a path from being changed, as .git/hooks; may be repeated
  --root DIR               a system to run in instead of this one's; what is written to it is thrown away
  --env NAME[=VALUE]       set a variable, or pass on the current value; may be repeated
  --cwd DIR                working directory inside                   [its home directory]
  --network none|host      host needs --allow-missing net             [none]

How strictly it is confined:
  --core-scheduling          share no core with anything else
  --allow-missing LAYER,...  accept that these layers are missing
  --allow-weaker LAYER,...   accept a weaker form of these layers

  --result-file FILE       write the result as JSON
  --terminal               of run: a terminal of its own is its stdin, stdout and stderr
  --quiet                  of shell: say nothing about the sandbox at its start

stdin, stdout and stderr are relayed. Exit status: the command's own; 128+n after signal n; 124 after a timeout;
125 when the sandbox could not be made; 126 when the command cannot be executed; 127 when it was not found.
`;
