//! The world of names that a query is resolved against.

/// What a column's values can be compared and combined with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeClass {
    /// True or false.
    Boolean,
    /// A whole number of any width.
    Integer,
    /// A floating-point or decimal number.
    Float,
    /// Characters.
    Text,
    /// A point in time.
    Timestamp,
    /// Bytes.
    Binary,
    /// A position on the sky (DALI xtype `point`).
    Point,
    /// A circle on the sky (DALI xtype `circle`).
    Circle,
    /// A polygon or another shape on the sky.
    Polygon,
    /// Anything else, and what is not known.
    Other,
}

impl TypeClass {
    /// Whether values are numbers, or may be.
    pub(crate) fn may_be_number(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Float | Self::Other)
    }

    /// Whether no value of one class can be compared with, or stand in one column with, one of the other.
    pub(crate) fn clashes_with(self, other: Self) -> bool {
        use TypeClass::{Binary, Boolean, Circle, Float, Integer, Other, Point, Polygon, Text, Timestamp};
        match (self, other) {
            (Other, _) | (_, Other) => false,
            (Point | Circle | Polygon, _) | (_, Point | Circle | Polygon) => true,
            (Integer | Float, Integer | Float) => false,
            (Boolean, Boolean) | (Text, Text) | (Timestamp, Timestamp) | (Binary, Binary) => false,
            _ => true,
        }
    }

    /// Whether values of both classes can be values of one column, booleans as the numbers 0 and 1.
    pub(crate) fn goes_with(self, other: Self) -> bool {
        let both = |is: fn(Self) -> bool| is(self) && is(other);
        self == other
            || both(Self::may_be_number)
            || both(|class| matches!(class, Self::Circle | Self::Polygon))
            || !self.clashes_with(other)
    }

    /// What the class is called in a fault.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Integer | Self::Float => "a number",
            Self::Text => "a text",
            Self::Timestamp => "a timestamp",
            Self::Binary => "binary data",
            Self::Point => "a point",
            Self::Circle => "a circle",
            Self::Polygon => "a shape",
            Self::Other => "a value of another type",
        }
    }
}

/// What is known of a column beside its name and type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Unit in VOUnits syntax.
    pub unit: Option<String>,
    /// UCD1+.
    pub ucd: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// Human text.
    pub description: Option<String>,
    /// DALI extended type.
    pub xtype: Option<String>,
}

impl Metadata {
    /// Forgets what is not true of the values of another column too.
    pub(crate) fn keep_common(&mut self, other: &Self) {
        let pairs = [
            (&mut self.unit, &other.unit),
            (&mut self.ucd, &other.ucd),
            (&mut self.utype, &other.utype),
            (&mut self.description, &other.description),
            (&mut self.xtype, &other.xtype),
        ];
        for (own, other) in pairs {
            if own != other {
                *own = None;
            }
        }
    }
}

/// A column of a table, as the catalog declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column<'n> {
    /// Its name, in the catalog's letter case.
    pub name: &'n str,
    /// The class of its type.
    pub class: TypeClass,
    /// What else is known of it.
    pub metadata: Option<&'n Metadata>,
    /// No two rows of the table have the same value in it: it is the table's key.
    pub unique: bool,
}

impl<'n> Column<'n> {
    /// A column.
    #[must_use]
    pub fn new(name: &'n str, class: TypeClass) -> Self {
        Self { name, class, metadata: None, unique: false }
    }

    /// The column with its metadata.
    #[must_use]
    pub fn described(self, metadata: &'n Metadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// The column as the key of its table.
    #[must_use]
    pub fn unique(self) -> Self {
        Self { unique: true, ..self }
    }
}

/// The databases, tables and columns that queries can name.
///
/// All names are in the catalog's letter case. `database` and `table` arguments are names that the same object gave out
/// before; for any other name the answer is an empty list.
pub trait Names {
    /// The databases.
    fn databases(&self) -> Vec<&str>;
    /// The tables of a database.
    fn tables(&self, database: &str) -> Vec<&str>;
    /// The columns of a table, in the order in which `*` shows them.
    fn columns(&self, database: &str, table: &str) -> Vec<Column<'_>>;
    /// The columns with longitude and latitude, in degrees, by which a table's rows are spread over the sky; `None` for a table
    /// without a position.
    fn position(&self, _database: &str, _table: &str) -> Option<(&str, &str)> {
        None
    }
    /// The table of the same database that decides where the rows of a child table are.
    fn director(&self, _database: &str, _table: &str) -> Option<&str> {
        None
    }
}

/// Names held in memory.
///
/// ```
/// use qserv_adql::{NameList, TypeClass};
///
/// let mut names = NameList::default();
/// names.add_table("dp1", "Object", [("objectId", TypeClass::Integer), ("coord_ra", TypeClass::Float)]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct NameList {
    databases: Vec<(String, Vec<ListedTable>)>,
}

#[derive(Debug, Clone)]
struct ListedTable {
    name: String,
    columns: Vec<(String, TypeClass, Metadata)>,
    keys: Vec<String>,
    position: Option<(String, String)>,
    director: Option<String>,
}

impl NameList {
    /// Adds a table, and its database if that is new. A table of this name that is there already is replaced.
    pub fn add_table<C: Into<String>>(
        &mut self,
        database: &str,
        table: &str,
        columns: impl IntoIterator<Item = (C, TypeClass)>,
    ) {
        let columns = columns.into_iter().map(|(name, class)| (name, class, Metadata::default()));
        self.add_described_table(database, table, columns);
    }

    /// As [`add_table`](Self::add_table), with what else is known of the columns.
    pub fn add_described_table<C: Into<String>>(
        &mut self,
        database: &str,
        table: &str,
        columns: impl IntoIterator<Item = (C, TypeClass, Metadata)>,
    ) {
        let table = ListedTable {
            name: table.to_owned(),
            columns: columns.into_iter().map(|(name, class, metadata)| (name.into(), class, metadata)).collect(),
            keys: Vec::new(),
            position: None,
            director: None,
        };
        match self.databases.iter_mut().find(|(name, _)| name == database) {
            Some((_, tables)) => {
                tables.retain(|listed| listed.name != table.name);
                tables.push(table);
            }
            None => self.databases.push((database.to_owned(), vec![table])),
        }
    }

    /// Says that a column is the key of its table. A table that is not there is left out, here and below.
    pub fn set_key(&mut self, database: &str, table: &str, column: &str) {
        if let Some(listed) = self.listed_mut(database, table) {
            listed.keys.push(column.to_owned());
        }
    }

    /// Says which columns of a table are the position of its rows.
    pub fn set_position(&mut self, database: &str, table: &str, (lon, lat): (&str, &str)) {
        if let Some(listed) = self.listed_mut(database, table) {
            listed.position = Some((lon.to_owned(), lat.to_owned()));
        }
    }

    /// Says that a table is a child of another one of its database.
    pub fn set_director(&mut self, database: &str, table: &str, director: &str) {
        if let Some(listed) = self.listed_mut(database, table) {
            listed.director = Some(director.to_owned());
        }
    }

    fn listed_mut(&mut self, database: &str, table: &str) -> Option<&mut ListedTable> {
        let (_, tables) = self.databases.iter_mut().find(|(name, _)| name == database)?;
        tables.iter_mut().find(|listed| listed.name == table)
    }

    fn table(&self, database: &str, table: &str) -> Option<&ListedTable> {
        self.listed(database).iter().find(|listed| listed.name == table)
    }

    fn listed(&self, database: &str) -> &[ListedTable] {
        self.databases.iter().find(|(name, _)| name == database).map_or(&[], |(_, tables)| tables)
    }
}

impl Names for NameList {
    fn databases(&self) -> Vec<&str> {
        self.databases.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn tables(&self, database: &str) -> Vec<&str> {
        self.listed(database).iter().map(|table| table.name.as_str()).collect()
    }

    fn columns(&self, database: &str, table: &str) -> Vec<Column<'_>> {
        let Some(table) = self.table(database, table) else { return Vec::new() };
        let columns = table.columns.iter().map(|(name, class, metadata)| {
            let column = Column::new(name, *class).described(metadata);
            if table.keys.contains(name) { column.unique() } else { column }
        });
        columns.collect()
    }

    fn position(&self, database: &str, table: &str) -> Option<(&str, &str)> {
        let (lon, lat) = self.table(database, table)?.position.as_ref()?;
        Some((lon, lat))
    }

    fn director(&self, database: &str, table: &str) -> Option<&str> {
        self.table(database, table)?.director.as_deref()
    }
}
