//! `qserv database`: declares, lists, describes and drops databases of a server.

use std::io::{self, Write};
use std::path::{Component, Path};

use super::asking::http_client;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qserv_adql::Options;
use qserv_core::catalog::{Database, Example};
use qserv_core::schema::{
    Description, FelisSchema, MAX_TEXT_BYTES, declare, from_parquet_schema, read_examples, read_felis, read_layout,
};
use qserv_core::{Error, Result};
use qserv_ingest::{Client, Loading};

use crate::answer::{Column, RowSink, table::TableSink};
use crate::arguments::{CreateArguments, DatabaseCommand};
use crate::settings::Settings;
use crate::terminal::{bytes, counted, grouped, output_error};

/// Runs one of them.
///
/// # Errors
/// Those of the files that declare a database, and the server's.
pub async fn run(command: &DatabaseCommand, settings: &Settings) -> Result<()> {
    let client = Client::new(&settings.client.server, http_client(settings)?)?;
    let mut output = io::stdout();
    match command {
        DatabaseCommand::Create(create) => {
            let declared = tokio::task::block_in_place(|| read_declaration(create))?;
            let made = client.create_database(&declared).await?;
            writeln!(output, "created database {} with {}", made.name, counted(made.tables.len() as u64, "table"))
                .map_err(output_error)
        }
        DatabaseCommand::List { .. } => list(&client.databases().await?, output).map_err(output_error),
        DatabaseCommand::Describe { name, .. } => {
            describe(&client.describe_database(name).await?, &mut output).map_err(output_error)
        }
        DatabaseCommand::Examples(replace) => {
            let examples = examples(&replace.file)?;
            client.replace_examples(&replace.name, &examples).await?;
            let count = counted(examples.len() as u64, "example");
            writeln!(output, "database {} has {count}", replace.name).map_err(output_error)
        }
        DatabaseCommand::Drop { name, .. } => {
            client.drop_database(name).await?;
            writeln!(output, "dropped database {name}").map_err(output_error)
        }
    }
}

/// The database that a schema and a layout declare, under the name given on the command line.
///
/// # Errors
/// `NotFound` for a file that cannot be read, `Invalid` for what stands in it, with file and line.
pub fn read_declaration(create: &CreateArguments) -> Result<Database> {
    let mut schema: Option<FelisSchema> = None;
    for path in &create.schema {
        let more = if is_parquet(path) { parquet_schema(path)? } else { felis_schema(path)? };
        match &mut schema {
            None => schema = Some(more),
            Some(schema) => {
                schema.tables.extend(more.tables);
                schema.foreign_keys.extend(more.foreign_keys);
            }
        }
    }
    let schema = schema.ok_or_else(|| Error::invalid("a database needs a schema; name one with --schema"))?;
    let mut layout = read_layout(&read_text(&create.layout)?, &create.layout.display().to_string())?;
    layout.name = Some(create.name.clone());
    let mut database = declare(&schema, &layout)?;
    if let Some(path) = &create.examples {
        database.examples = examples(path)?;
    }
    Ok(database)
}

/// The examples of a file. Each is a query in ADQL; whether its tables are there is seen by who asks it.
fn examples(path: &Path) -> Result<Vec<Example>> {
    let examples = read_examples(&read_text(path)?, &path.display().to_string())?;
    let options = Options { functions: qserv_czar::functions(), ..Options::default() };
    for example in &examples {
        if let Err(faults) = qserv_adql::check(&example.query, &options) {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            return Err(Error::invalid(format!("the example \"{}\" cannot be asked: {fault}", example.title))
                .with("file", path.display()));
        }
    }
    Ok(examples)
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

fn felis_schema(path: &Path) -> Result<FelisSchema> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let resolve = |name: &str| {
        // A schema may take columns from files beside it or below, and from nowhere else.
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(Error::invalid("a schema may name only files beside it or in folders below").with("file", name));
        }
        read_text(&folder.join(name))
    };
    read_felis(&read_text(path)?, &path.display().to_string(), &resolve)
}

/// One table of the file's name with the file's own columns.
fn parquet_schema(path: &Path) -> Result<FelisSchema> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::data("the file is no Parquet file").with("file", path.display()).caused_by(error.to_string())
    };
    let table = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .ok_or_else(|| Error::invalid("the file's name cannot be a table's name").with("file", path.display()))?;
    let file = std::fs::File::open(path).map_err(|error| cannot_read(path, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
    from_parquet_schema(table, reader.schema())
}

fn read_text(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).map_err(|error| cannot_read(path, error))?.len();
    if length > MAX_TEXT_BYTES as u64 {
        return Err(Error::limit("the file is too long for a schema or layout").with("file", path.display()));
    }
    std::fs::read_to_string(path).map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &Path, error: io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::InvalidData => "the file is not UTF-8 text",
        _ => "the file cannot be read",
    };
    Error::not_found(message).with("file", path.display()).caused_by(error)
}

fn list(databases: &[Description], output: impl Write) -> io::Result<()> {
    let column =
        |name: &str, datatype: &str| Column { name: name.into(), datatype: datatype.into(), ..Column::default() };
    let mut table = TableSink::new(output);
    table.start(&[
        column("database", "char"),
        column("tables", "int"),
        column("rows", "long"),
        column("size", "char"),
        column("pixelization", "char"),
        column("chunk order", "int"),
        column("overlap [arcsec]", "double"),
    ])?;
    for database in databases {
        let rows = database.tables.iter().filter_map(|table| table.rows).sum();
        let size = database.tables.iter().filter_map(|table| table.bytes).sum();
        table.row(vec![
            Some(database.name.clone()),
            Some(database.tables.len().to_string()),
            Some(grouped(rows)),
            Some(bytes(size)),
            Some(database.pixelization.clone()),
            Some(database.chunk_order.map_or_else(|| "open".to_owned(), |order| order.to_string())),
            Some(database.overlap_arcsec.to_string()),
        ])?;
    }
    table.finish()
}

fn describe(database: &Description, output: &mut impl Write) -> io::Result<()> {
    let order = database.chunk_order.map_or_else(|| "open until the first load".to_owned(), |order| order.to_string());
    writeln!(output, "database {}", database.name)?;
    if let Some(text) = &database.description {
        writeln!(output, "  {}", one_line(text))?;
    }
    let overlap = database.overlap_arcsec;
    writeln!(output, "  {}, chunk order {order}, overlap {overlap} arcsec", database.pixelization)?;
    for table in &database.tables {
        let placement = if table.placement.is_empty() { String::new() } else { format!(": {}", table.placement) };
        writeln!(output, "\ntable {} ({}{placement})", table.name, table.kind)?;
        if let Some(text) = &table.description {
            writeln!(output, "  {}", one_line(text))?;
        }
        if let (Some(rows), Some(chunks), Some(size)) = (table.rows, table.chunks, table.bytes) {
            let chunks =
                if table.kind == "replicated" { String::new() } else { format!(" in {}", counted(chunks, "chunk")) };
            writeln!(output, "  {}{chunks}, {}", counted(rows, "row"), bytes(size))?;
        }
        writeln!(output)?;
        let column = |name: &str| Column { name: name.into(), datatype: "char".into(), ..Column::default() };
        let mut columns = TableSink::new(&mut *output);
        columns.start(&["column", "type", "unit", "ucd", "description"].map(column))?;
        for column in &table.columns {
            let datatype = format!("{}{}", column.datatype, if column.nullable { "" } else { " not null" });
            let text = column.description.as_deref().map(one_line);
            columns.row(vec![
                Some(column.name.clone()),
                Some(datatype),
                column.unit.clone(),
                column.ucd.clone(),
                text,
            ])?;
        }
        columns.finish()?;
    }
    if !database.foreign_keys.is_empty() {
        writeln!(output, "\nforeign keys")?;
    }
    database.foreign_keys.iter().try_for_each(|key| writeln!(output, "  {key}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use qserv_core::partition::PixelizationKind;

    use super::*;
    use crate::demo::sky::SampleSky;

    fn create(folder: &Path, schemas: &[&str]) -> CreateArguments {
        CreateArguments {
            name: "mine".to_owned(),
            schema: schemas.iter().map(|name| folder.join(name)).collect(),
            layout: folder.join("layout.toml"),
            examples: None,
            server: crate::arguments::ServerArgument { url: None, authorities: None },
        }
    }

    #[test]
    fn felis_and_parquet_declare_the_same_columns() {
        let (folder, sky) = (tempfile::tempdir().unwrap(), SampleSky::new(1, 20));
        std::fs::write(folder.path().join("demo.yaml"), sky.felis()).unwrap();
        let layout = sky.layout(PixelizationKind::H3, Some(2), 30.0);
        std::fs::write(folder.path().join("layout.toml"), layout).unwrap();
        sky.write_parquet(folder.path()).unwrap();

        let felis = read_declaration(&create(folder.path(), &["demo.yaml"])).unwrap();
        assert_eq!(
            (felis.name.as_str(), felis.pixelization, felis.chunk_order),
            ("mine", PixelizationKind::H3, Some(2))
        );
        let files = ["Object.parquet", "Source.parquet", "ForcedSource.parquet", "Visit.parquet", "Filter.parquet"];
        let parquet = read_declaration(&create(folder.path(), &files)).unwrap();
        for table in &felis.tables {
            let twin = parquet.table(&table.name).unwrap();
            assert_eq!(twin.kind, table.kind);
            let types = |table: &qserv_core::catalog::Table| -> Vec<_> {
                table.columns.iter().map(|column| (column.name.clone(), column.datatype.arrow())).collect()
            };
            assert_eq!(types(twin), types(table));
        }
        let mut text = Vec::new();
        describe(&Description::of(&felis), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("table Object (director: key objectId"), "{text}");
        assert!(text.contains("g_psfFlux"), "{text}");
    }

    #[test]
    fn examples_are_adql() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("examples.toml");
        let write = |query: &str| std::fs::write(&file, format!("[[examples]]\ntitle = \"A\"\nquery = '{query}'\n"));
        write("SELECT scisql_nanojanskyToAbMag(flux) FROM mine.Object").unwrap();
        assert_eq!(examples(&file).unwrap().len(), 1);
        write("SELECT objectId FORM mine.Object").unwrap();
        let error = examples(&file).unwrap_err().to_string();
        assert!(error.contains("\"A\"") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_schema_reaches_no_file_above_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("layout.toml"), "[database]\n").unwrap();
        let missing = read_declaration(&create(folder.path(), &["none.yaml"])).unwrap_err();
        assert_eq!(missing.kind(), qserv_core::ErrorKind::NotFound);
        for name in ["../secret.yaml", "/etc/passwd"] {
            let text = format!("name: x\nresources:\n  other:\n    uri: {name}\ntables: []\n");
            std::fs::write(folder.path().join("a.yaml"), text).unwrap();
            assert!(read_declaration(&create(folder.path(), &["a.yaml"])).is_err(), "{name}");
        }
    }

    #[test]
    fn databases_are_listed() {
        let (felis, sky) = (tempfile::tempdir().unwrap(), SampleSky::new(1, 20));
        std::fs::write(felis.path().join("demo.yaml"), sky.felis()).unwrap();
        std::fs::write(felis.path().join("layout.toml"), sky.layout(PixelizationKind::Healpix, None, 60.0)).unwrap();
        let database = read_declaration(&create(felis.path(), &["demo.yaml"])).unwrap();
        let mut text = Vec::new();
        list(&[Description::of(&database)], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().last().unwrap().starts_with("mine"), "{text}");
        assert!(text.contains("open"), "{text}");
    }
}
