"""The entity sets this tenant serves, as RULES.md lists them."""

from __future__ import annotations

from sandbox.erp.schema import Field, SetSchema


def _company() -> Field:
    return Field("dataAreaId", "data_area_id", size=4, required=True)


def _yes_no(name: str, column: str, default: str, access: str = "rw") -> Field:
    return Field(name, column, "yesno", default=default, access=access)


def _one_of(name: str, column: str, *values: str) -> Field:
    """The first is the default."""
    return Field(name, column, default=values[0], values=values)


PARTIES = SetSchema(
    "Parties",
    "Party",
    "PartyEntity",
    "party",
    ("PartyNumber",),
    (
        Field("PartyNumber", "party_number", size=20, required=True),
        Field("Name", "name", size=100, required=True),
        Field("TaxExemptNumber", "tax_exempt_number", size=20),
        Field("ParentPartyNumber", "parent_party_number", size=20),
        Field("PrimaryEmail", "primary_email", size=80),
        Field("City", "city", size=60),
        Field("CountryRegionId", "country_region_id", size=3),
        Field("Segment", "segment", size=20),
        Field("Note", "note"),
        _yes_no("IsActive", "is_active", "Yes"),
    ),
    token=True,
)

CUSTOMERS = SetSchema(
    "CustomersV3",
    "CustomerV3",
    "CustCustomerV3Entity",
    "customer_account",
    ("dataAreaId", "CustomerAccount"),
    (
        _company(),
        Field("CustomerAccount", "customer_account", size=20, required=True),
        Field("PartyNumber", "party_number", size=20, required=True),
        Field("SalesCurrencyCode", "sales_currency_code", size=3, required=True),
        Field("PaymentTermsName", "payment_terms_name", size=10),
        Field("CreditLimit", "credit_limit_cents", "decimal", 2, default=0.0),
        _yes_no("OnHold", "on_hold", "No"),
        _yes_no("IsActive", "is_active", "Yes"),
    ),
    company=True,
)

HEADERS = SetSchema(
    "SalesInvoiceHeaders",
    "SalesInvoiceHeader",
    "SalesInvoiceHeaderEntity",
    "invoice",
    ("dataAreaId", "InvoiceNumber"),
    (
        _company(),
        Field("InvoiceNumber", "invoice_number", size=20, required=True),
        Field("InvoiceAccount", "invoice_account", size=20, required=True),
        Field("InvoiceDate", "invoice_date", "date", required=True),
        Field("DueDate", "due_date", "date", nullable=True, default=None),
        Field("CurrencyCode", "currency_code", size=3, required=True),
        Field("TotalAmount", "total_cents", "decimal", 2, required=True),
        Field("Reference", "reference", size=60),
        Field("Note", "note"),
        _yes_no("IsReversal", "is_reversal", "No"),
        Field("CorrectedInvoiceNumber", "corrected_invoice_number", size=20),
        _yes_no("HistoricalLoad", "historical_load", "No", "co"),
        Field("DocumentStatus", "document_status", default="Draft", access="ro"),
        Field("VoucherNumber", "voucher_number", access="ro"),
    ),
    token=True,
    company=True,
    actions=("Post",),
    navigation={"Lines": "SalesInvoiceLines"},
)

LINES = SetSchema(
    "SalesInvoiceLines",
    "SalesInvoiceLine",
    "SalesInvoiceLineEntity",
    "invoice_line",
    ("dataAreaId", "InvoiceNumber", "LineNumber"),
    (
        _company(),
        Field("InvoiceNumber", "invoice_number", size=20, required=True),
        Field("LineNumber", "line_number", "int", required=True),
        Field("Description", "description", size=200),
        Field("ItemNumber", "item_number", size=20),
        Field("Quantity", "quantity", "decimal", 6, default=0.0),
        Field("UnitPrice", "unit_price", "decimal", 6, default=0.0),
        Field("LineAmount", "line_cents", "decimal", 2, required=True),
    ),
    company=True,
    parent="SalesInvoiceHeaders",
)

PAYMENTS = SetSchema(
    "CustomerPaymentJournals",
    "CustomerPaymentJournal",
    "CustomerPaymentJournalEntity",
    "payment",
    ("dataAreaId", "JournalNumber"),
    (
        _company(),
        Field("JournalNumber", "journal_number", size=20, access="ro"),
        Field("CustomerAccount", "customer_account", size=20, required=True),
        Field("PaymentDate", "payment_date", "date", required=True),
        Field("CurrencyCode", "currency_code", size=3, required=True),
        Field("Amount", "amount_cents", "decimal", 2, required=True),
        Field("PaymentMethod", "payment_method", size=10),
        Field("PaymentReference", "payment_reference", size=60),
        _yes_no("HistoricalLoad", "historical_load", "No", "co"),
        _yes_no("IsReversed", "is_reversed", "No", "ro"),
        Field("VoucherNumber", "voucher_number", access="ro"),
    ),
    company=True,
    server_key="JournalNumber",
    actions=("Reverse",),
    navigation={"Settlements": "CustomerPaymentSettlements"},
)

SETTLEMENTS = SetSchema(
    "CustomerPaymentSettlements",
    "CustomerPaymentSettlement",
    "CustomerPaymentSettlementEntity",
    "settlement",
    ("dataAreaId", "JournalNumber", "InvoiceNumber"),
    (
        _company(),
        Field("JournalNumber", "journal_number", size=20, required=True),
        Field("InvoiceNumber", "invoice_number", size=20, required=True),
        Field("SettledAmount", "settled_cents", "decimal", 2, required=True),
    ),
    company=True,
    parent="CustomerPaymentJournals",
)

PROJECTS = SetSchema(
    "Projects",
    "Project",
    "ProjProjectEntity",
    "project",
    ("ProjectID",),
    (
        Field("ProjectID", "project_id", size=20, required=True),
        Field("Name", "name", size=100, required=True),
        Field("ClientReference", "client_reference", size=20),
        Field("CustomerReference", "customer_reference", size=60),
        _one_of("ProjectStage", "project_stage", "Created", "InProcess", "OnHold", "Finished", "Cancelled"),
        _one_of("ProjectType", "project_type", "TimeAndMaterial", "FixedPrice"),
        Field("ProjectManager", "project_manager", size=20),
        Field("CurrencyCode", "currency_code", size=3),
        Field("BudgetHours", "budget_hours_hundredths", "decimal", 2, default=0.0),
        Field("BudgetAmount", "budget_amount_cents", "decimal", 2, default=0.0),
        Field("StartDate", "start_date", "date", nullable=True, default=None),
        Field("EndDate", "end_date", "date", nullable=True, default=None),
        _yes_no("IsConfidential", "is_confidential", "No"),
        Field("Note", "note"),
    ),
    token=True,
)

ACTIVITIES = SetSchema(
    "ProjectActivities",
    "ProjectActivity",
    "ProjProjectActivityEntity",
    "project_activity",
    ("ActivityNumber",),
    (
        Field("ActivityNumber", "activity_number", size=20, required=True),
        Field("ProjectID", "project_id", size=20, required=True),
        Field("Name", "name", size=100, required=True),
        _one_of("ActivityState", "activity_state", "Open", "Closed", "Cancelled"),
        _yes_no("IsBillable", "is_billable", "Yes"),
        Field("PlannedHours", "planned_hours_hundredths", "decimal", 2, default=0.0),
        Field("HourlyRate", "hourly_rate", "decimal", 4, default=0.0),
    ),
    token=True,
)

SHEETS = SetSchema(
    "TimesheetHeaders",
    "TimesheetHeader",
    "ProjTimesheetHeaderEntity",
    "timesheet",
    ("TimesheetNumber",),
    (
        Field("TimesheetNumber", "timesheet_number", size=20, required=True),
        Field("ProjectID", "project_id", size=20, required=True),
        Field("ResourceID", "resource_id", size=20, required=True),
        Field("PeriodStartDate", "period_start_date", "date", required=True),
        _one_of("ApprovalStatus", "approval_status", "Draft", "Submitted", "Approved", "Rejected", "Cancelled"),
        Field("ApprovedBy", "approved_by", size=20),
        Field("TotalHours", "total_hours_hundredths", "decimal", 2, default=0.0),
        Field("Note", "note"),
    ),
    token=True,
    navigation={"Lines": "TimesheetLines"},
)

SHEET_LINES = SetSchema(
    "TimesheetLines",
    "TimesheetLine",
    "ProjTimesheetLineEntity",
    "timesheet_line",
    ("TimesheetNumber", "LineNumber"),
    (
        Field("TimesheetNumber", "timesheet_number", size=20, required=True),
        Field("LineNumber", "line_number", "int", required=True),
        Field("ActivityNumber", "activity_number", size=20),
        Field("WorkDate", "work_date", "date", nullable=True, default=None),
        Field("Hours", "hours_hundredths", "decimal", 2, required=True),
        Field("HourlyRate", "hourly_rate", "decimal", 4, default=0.0),
        _yes_no("IsBillable", "is_billable", "Yes"),
        Field("Description", "description", size=200),
    ),
    parent="TimesheetHeaders",
)

LEGAL_ENTITIES = SetSchema(
    "LegalEntities",
    "LegalEntity",
    "OMLegalEntity",
    "",
    ("LegalEntityId",),
    (
        Field("LegalEntityId", "", size=4, required=True),
        Field("Name", "", size=100),
        Field("AccountingCurrency", "", size=3),
    ),
)

PARAMETERS = SetSchema(
    "SystemParameters",
    "SystemParameter",
    "SystemParametersEntity",
    "",
    ("ID",),
    (
        Field("ID", "", "int", required=True),
        Field("TenantId", ""),
        Field("EnvironmentName", ""),
        Field("DefaultCompany", ""),
    ),
)

WRITABLE = (PARTIES, CUSTOMERS, HEADERS, LINES, PAYMENTS, SETTLEMENTS, PROJECTS, ACTIVITIES, SHEETS, SHEET_LINES)
READ_ONLY = (LEGAL_ENTITIES, PARAMETERS)
SETS: dict[str, SetSchema] = {s.name: s for s in (*WRITABLE, *READ_ONLY)}
