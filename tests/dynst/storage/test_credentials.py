"""Addresses in all forms that databases, object stores, drivers and libraries give them."""

import pytest

from dynst.storage.addresses import has_credentials, without_credentials

SECRET = "hunter2"


@pytest.mark.parametrize(
    "form",
    [
        "s3://key:SECRET@bucket.host/run",
        "https://me:SECRET@bucket.host:5000/api",
        "postgresql+psycopg2://me:SECRET@bucket.host:5432/mlflow",
        "redis://:SECRET@bucket.host:6379/0",
        "https://SECRET@bucket.host/x",
        "HTTPS://me:SECRET@bucket.host",
        "git+https://x-access-token:SECRET@bucket.host/a.git",
        "http://me:p@SECRET@bucket.host/",
        "postgresql://me:a:SECRET@bucket.host/db",
        "postgresql://me:a/SECRET@bucket.host/db",
        "s3://key:12/SECRET@bucket.host/run",
        "postgresql://me:p%40SECRET@bucket.host/db",
        "mysql://me:it'sSECRET@bucket.host/db",
        'mysql://me:a"SECRET@bucket.host/db',
        "mysql://me:my SECRET@bucket.host/db",
        "http://me:a<SECRET@bucket.host/",
        "http://me:p?SECRET@bucket.host/",
        "http://me:p#SECRET@bucket.host/",
        "s3:/key:SECRET@bucket.host/x",
        "me:SECRET@bucket.host:8265",
        "//me:SECRET@bucket.host/x",
        "http:\\/\\/me:SECRET@bucket.host\\/x",
        "http%3A%2F%2Fme%3ASECRET%40bucket.host%2Fx",
        "jdbc:oracle:thin:scott/SECRET@bucket.host:1521/x",
        "jdbc:postgresql://bucket.host/db?user=me&password=SECRET",
        "jdbc:sqlserver://bucket.host:1433;user=me;password=SECRET;encrypt=true",
        "amqp://me:SECRET@[::1]:5672/bucket.host",
        "postgresql://bucket.host/db?password=SECRET&sslmode=require",
        "postgresql://bucket.host/db?sslpassword=SECRET",
        "postgresql://bucket.host/db?passwd=SECRET",
        "x://bucket.host/?pwd=SECRET",
        "x://bucket.host/?PWD=SECRET",
        "x://bucket.host/?pass=SECRET",
        "s3://bucket.host/x?access_key=AK&secret_key=SECRET&scheme=http",
        "s3://bucket.host/x?access-key=SECRET",
        "s3://bucket.host/x?accessKey=SECRET",
        "s3://bucket.host/x?AWSAccessKeyId=SECRET",
        "x://bucket.host/?api_key=SECRET",
        "x://bucket.host/?apikey=SECRET",
        "x://bucket.host/?key=SECRET",
        "abfs://bucket.host/x?sas_token=SECRET",
        "https://bucket.host/x?sv=2020&sig=SECRET",
        "https://bucket.host/x?Signature=SECRET&Expires=1",
        "https://bucket.host/x?X-Amz-Credential=AK%2F2020&X-Amz-Signature=SECRET",
        "https://bucket.host/x?X-Amz-Security-Token=SECRET",
        "https://bucket.host/?X-Goog-Signature=SECRET",
        "https://bucket.host/x?p%61ssword=SECRET",
        "https://bucket.host/x#access_token=SECRET",
        "https://bucket.host/x?password=a;SECRET",
        "https://bucket.host/x?password=a#SECRET",
        "https://bucket.host/x;token=SECRET",
        "AccountName=bucket.host;AccountKey=SECRET==;EndpointSuffix=core.windows.net",
        "Endpoint=sb://bucket.host/;SharedAccessKeyName=Root;SharedAccessKey=SECRET=",
        "BlobEndpoint=https://bucket.host;SharedAccessSignature=sv=2020&sig=SECRET",
        "Driver={ODBC 18};Server=bucket.host;Uid=me;Pwd={a}};SECRET};Database=x",
        "Driver={ODBC 18};Server=bucket.host;Pwd=SECRET;Database=x",
        "Pwd=my SECRET;Server=bucket.host",
        "Server=bucket.host;Pwd=my SECRET",
        "Server=bucket.host; PASSWORD = SECRET ;Database=x",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dbucket.host%3BPWD%3DSECRET%3BDatabase%3Dx",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dbucket.host%3BPWD%3D%7Ba%3BSECRET%7D%3B",
        "host=bucket.host user=me password=SECRET dbname=x",
        "host=bucket.host password='it''s SECRET' dbname=x",
        "host=bucket.host password='a\\'SECRET' dbname=x",
        "host=bucket.host password=a\\ SECRET dbname=x",
        "host=bucket.host password = 'SECRET'",
        'password="a SECRET" host=bucket.host',
        "connect(host='bucket.host', password='SECRET')",
        '{"host": "bucket.host", "password": "SECRET"}',
        "{'host': 'bucket.host', 'secret_access_key': 'SECRET'}",
        '{"uri":"http://me:SECRET@bucket.host/x","b":"me@y.z"}',
        '{"body": "{\\"host\\": \\"bucket.host\\", \\"password\\": \\"SECRET\\"}"}',
        "[('host', 'bucket.host'), ('password', 'SECRET')]",
        '{"a":"Server=q;Pwd=SECRET","host":"bucket.host"}',
        "bucket.host: Authorization: Bearer SECRET",
        "bucket.host said 401 to Authorization: Basic SECRET",
        "bucket.host X-Api-Key: SECRET",
        "aws_secret_access_key=SECRET at bucket.host",
        "export MLFLOW_TRACKING_PASSWORD=SECRET; ask bucket.host",
        "http://me:SECRET@bucket.host/a,http://you:SECRET@other.host/b",
        "cannot copy 's3://k:SECRET@bucket.host' to 's3://k:SECRET@other.host/x'",
        "(psycopg2) connection to http://me:SECRET@bucket.host/api failed, http://host:1/a too",
        "db://bucket.host/x\npassword: SECRET",
        "abfss://bucket.host/?client_secret=SECRET",
        "https://bucket.host/?code=1&refresh_token=SECRET",
        "https://bucket.host/?account_key=SECRET",
        "https://bucket.host/?password[]=SECRET",
        "https://bucket.host/?db.password=SECRET",
    ],
)
@pytest.mark.parametrize("around", ["{}", "the store {} does not answer", "OSError('{}')\n"])
def test_the_secret_is_left_out_and_the_host_stays(form: str, around: str) -> None:
    text = around.replace("{}", form.replace("SECRET", SECRET))
    shown = without_credentials(text)
    assert SECRET not in shown
    assert "bucket.host" in shown
    assert without_credentials(shown) == shown
    assert has_credentials(form.replace("SECRET", SECRET))


@pytest.mark.parametrize(
    "text",
    [
        "http://[::1]:5000/a@b",
        "http://host:8265, or me@x.org",
        "s3://bucket: not found, ask me@work",
        "the token file /a/b must hold the token and nothing else",
        "unknown key 'token_dim'; known keys: address, token_file, home",
        "--set must be key=value, for instance training.epochs=5",
        "SharedAccessKeyName=Root",
        "max_tokens=5 key=3 sort_key=name",
        "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        'password authentication failed for user "me"',
        "2026-01-01 10:30:00 INFO 1 dynst: a: b@c",
        "",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert without_credentials(text) == text
