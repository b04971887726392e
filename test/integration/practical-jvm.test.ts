import assert from 'node:assert/strict';
import { suite } from 'node:test';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const MAIN = `
import java.nio.file.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Main {
  public static void main(String[] args) throws Exception {
    System.out.println("sum " + IntStream.rangeClosed(1, 1000).parallel().sum());
    var pool = Executors.newFixedThreadPool(8);
    var answers = pool.invokeAll(IntStream.range(0, 32).mapToObj(n -> (Callable<Integer>) () -> n * n).toList());
    int total = 0;
    for (var answer : answers) total += answer.get();
    pool.shutdown();
    System.out.println("squares " + total);
    var child = new ProcessBuilder("echo", "child").start();
    System.out.println(new String(child.getInputStream().readAllBytes()).trim() + " " + child.waitFor());
    var file = Files.createTempFile("x", ".txt");
    Files.writeString(file, "é");
    System.out.println(Files.readString(file) + " " + System.getProperty("user.name") + " " + System.getProperty("user.home"));
    System.out.println(new Helper().greet(args));
  }
}
`;
const HELPER = `public class Helper { String greet(String[] args) { return "hello " + String.join(",", args); } }\n`;

const CHURN = `
public class Churn {
  public static void main(String[] args) {
    long sum = 0;
    for (int i = 0; i < 200_000; i++) sum += new byte[10_000 + i % 7].length;
    System.out.println(sum > 2_000_000_000L);
  }
}
`;

void suite('Java', () => {
  testWith(['java', 'javac'], 'compiles in a writable directory, and runs in another sandbox', async (context) => {
    const directory = temporaryDirectory(context, {
      'Main.java': MAIN,
      'Helper.java': HELPER,
    });
    await run('javac', ['-d', 'classes', 'Main.java', 'Helper.java'], {
      filesystem: { writable: [directory] },
      cwd: directory,
    });
    const output = await stdoutOf('java', ['-cp', `${directory}/classes`, 'Main', 'a', 'b'], {
      filesystem: { readOnly: [directory] },
    });
    assert.equal(output, 'sum 500500\nsquares 10416\nchild 0\né sandbox /home/sandbox\nhello a,b');
  });

  testWith(['java', 'javac'], 'packs a jar in the scratch space and runs it', async () => {
    const script = `
      cat > Helper.java &&
      echo 'public class Start { public static void main(String[] a) { System.out.println(new Helper().greet(a)); } }' > Start.java &&
      javac *.java && jar --create --file=start.jar --main-class=Start *.class && java -jar start.jar packed`;
    assert.equal(await stdoutOf('sh', ['-c', script], { input: HELPER }), 'hello packed');
  });

  testWith(['java', 'javac'], 'runs a source file, and collects two gigabytes of garbage', async () => {
    // The JVM sizes its heap by the memory of the machine: it does not see the limit.
    const script = 'cat > Churn.java && java -Xmx256m Churn.java';
    assert.equal(await stdoutOf('sh', ['-c', script], { input: CHURN }), 'true');
  });
});
