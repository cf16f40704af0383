"""A server with a certificate, as the clients of others see it: those who have its authority are served, and nobody else."""

import contextlib
import datetime
import functools
import ipaddress
import os
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

import adbc_driver_manager
import pyarrow
import pyarrow.flight
import pyvo
import requests
from adbc_driver_flightsql import DatabaseOptions, dbapi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

QUERY = "SELECT COUNT(*) AS n FROM demo.Object"
OBJECTS = 300
READY_TIMEOUT_S = 120


def certificate(subject, key, issuer, issuer_key, *extensions):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(issuer or name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def write_certificates(folder):
    """An authority, and a certificate of it for this machine."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate("authority", authority_key, None, authority_key, x509.BasicConstraints(True, None))
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    own = certificate("server", key, authority.subject, authority_key, x509.SubjectAlternativeName(names))
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    (folder / "authorities.pem").write_bytes(authority.public_bytes(pem))
    (folder / "certificate.pem").write_bytes(own.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))


class SecureSky:
    """A small sky, served with TLS until the judge ends."""

    def __init__(self, sky):
        self.folder = pathlib.Path(sky.closing.enter_context(tempfile.TemporaryDirectory(prefix="qserv-tls-")))
        write_certificates(self.folder)
        self.authorities = self.folder / "authorities.pem"
        self.pem = self.authorities.read_text()
        command = [sky.program, "demo", "--objects", str(OBJECTS), "--data-dir", self.folder / "data"]
        command += ["--listen", "127.0.0.1:0", "--flight-listen", "127.0.0.1:0"]
        files = {f"QSERV_TLS__{name.upper()}": str(self.folder / f"{name}.pem") for name in ("certificate", "key")}
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **files})
        sky.closing.callback(self.stop)
        watch = threading.Timer(READY_TIMEOUT_S, self.server.kill)
        watch.start()
        patterns = (r"https://\S+?/tap\b", r"grpc\+tls://\S+")
        found = [next(filter(None, (re.search(each, line) for line in self.server.stdout)), None) for each in patterns]
        watch.cancel()
        assert None not in found, "qserv demo ended before it served"
        threading.Thread(target=self.server.stdout.read, daemon=True).start()
        self.tap_url, self.flight_url = (address.group() for address in found)

    def stop(self):
        self.server.terminate()
        self.server.wait(READY_TIMEOUT_S)


@functools.cache
def secure(sky):
    return SecureSky(sky)


@contextlib.contextmanager
def refused(kind):
    try:
        yield
    except kind as error:
        assert "panicked" not in str(error)
    else:
        raise AssertionError("it was answered")


def check_tap(sky):
    """pyvo asks TAP over HTTPS, jobs too, by the addresses that the service gives"""
    made = secure(sky)
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(made.authorities)
        service = pyvo.dal.TAPService(made.tap_url, session=session)
        assert service.search(QUERY)["n"][0] == OBJECTS
        job = service.submit_job(QUERY)
        assert job.url.startswith("https://"), job.url
        job.run().wait(timeout=60)
        assert job.fetch_result()["n"][0] == OBJECTS
        job.delete()
    with refused(requests.exceptions.SSLError):
        requests.get(f"{made.tap_url}/availability", timeout=60)


def check_plain_http(sky):
    """whoever asks over HTTP is told to ask over HTTPS"""
    try:
        urllib.request.urlopen(secure(sky).tap_url.replace("https://", "http://") + "/availability", timeout=60)
    except urllib.error.HTTPError as error:
        assert error.code == 400 and b"https://" in error.read()
    else:
        raise AssertionError("it was answered")
    context = ssl.create_default_context(cafile=secure(sky).authorities)
    with urllib.request.urlopen(secure(sky).tap_url + "/availability", timeout=60, context=context) as answer:
        assert b"true" in answer.read()


def check_flight(sky):
    """pyarrow.flight asks over TLS, and is refused without it or with another authority"""
    made = secure(sky)
    descriptor = pyarrow.flight.FlightDescriptor.for_command("SELECT objectId FROM demo.Object")
    with pyarrow.flight.connect(made.flight_url, tls_root_certs=made.pem) as client:
        info = client.get_flight_info(descriptor)
        rows = pyarrow.concat_tables(client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints)
        assert rows.num_rows == OBJECTS
    for url in (made.flight_url, made.flight_url.replace("grpc+tls", "grpc")):
        with pyarrow.flight.connect(url) as client, refused((pyarrow.ArrowException, OSError)):
            client.get_flight_info(descriptor, pyarrow.flight.FlightCallOptions(timeout=20))


def check_adbc(sky):
    """ADBC asks over TLS, and is refused with another authority"""
    made = secure(sky)
    options = {DatabaseOptions.TLS_ROOT_CERTS.value: made.pem}
    with dbapi.connect(made.flight_url, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        assert cursor.fetch_arrow_table()["n"].to_pylist() == [OBJECTS]
    with refused(adbc_driver_manager.Error), dbapi.connect(made.flight_url, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
