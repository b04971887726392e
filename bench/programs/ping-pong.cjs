'use strict';
// Writes back each frame that it reads: a byte that tells the length, and so many bytes.
const fs = require('node:fs');

const part = Buffer.alloc(65536);
let pending = Buffer.alloc(0);
for (;;) {
  while (pending.length === 0 || pending.length <= pending[0]) {
    const length = fs.readSync(0, part);
    if (length === 0) process.exit(0);
    pending = Buffer.concat([pending, part.subarray(0, length)]);
  }
  const size = 1 + pending[0];
  fs.writeSync(1, pending.subarray(0, size));
  pending = pending.subarray(size);
}
