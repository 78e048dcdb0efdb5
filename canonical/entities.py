"""The canonical entities that are mapped so far: legal entity, customer, customer account, invoice, payment, project, task and
time entry.

Field names are the language of mappings (the view's output names), ownership groups and target profiles.
`external_number` is what the creating source calls the object; profiles build the target's key from it.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from canonical.base import Amount, CanonicalEntity, Code, CurrencyCode, LongText, Text


class LegalEntity(CanonicalEntity):
    """A company that keeps its own books."""

    object_name: ClassVar[str] = "legal_entity"

    code: Code
    name: Text
    functional_currency: CurrencyCode
    active: bool = True


class Customer(CanonicalEntity):
    """Whom we bill: global master data. What differs per legal entity is a customer account."""

    object_name: ClassVar[str] = "customer"

    external_number: Code
    name: Text
    tax_number: Text | None = None
    parent: Code | None = None  # external_number of the parent customer
    email: Text | None = None
    city: Text | None = None
    country: Code | None = None
    segment: Text | None = None
    note: LongText | None = None
    active: bool = True


class CustomerAccount(CanonicalEntity):
    """A customer as one legal entity sees it: terms, credit limit, currency."""

    object_name: ClassVar[str] = "customer_account"
    legal_entity_field: ClassVar[str | None] = "legal_entity"

    external_number: Code
    legal_entity: Code
    customer: Code  # external_number of the customer
    currency: CurrencyCode
    payment_terms: Code | None = None
    credit_limit: Amount | None = None
    on_hold: bool = False
    active: bool = True


class InvoiceLine(CanonicalEntity):
    """One line of an invoice."""

    object_name: ClassVar[str] = "invoice_line"

    line_number: int
    description: Text | None = None
    quantity: Amount
    unit_price: Amount
    amount: Amount
    service_item: Code | None = None


class Invoice(CanonicalEntity):
    """An invoice with its lines. Once posted it is frozen: corrected by a reversal and a linked successor."""

    object_name: ClassVar[str] = "invoice"
    legal_entity_field: ClassVar[str | None] = "legal_entity"
    business_date_field: ClassVar[str | None] = "invoice_date"
    state_field: ClassVar[str | None] = "status"
    steps: ClassVar[tuple[str, ...]] = ("posted", "void")
    document: ClassVar[bool] = True
    events: ClassVar[dict[str, str]] = {"posted": "invoice.posted", "void": "invoice.voided"}

    external_number: Code
    legal_entity: Code
    customer: Code  # external_number of the customer
    invoice_date: date
    due_date: date | None = None
    currency: CurrencyCode
    status: Literal["draft", "posted", "void"]
    net_total: Amount
    reference: Text | None = None
    note: LongText | None = None
    lines: tuple[InvoiceLine, ...] = ()


class Allocation(CanonicalEntity):
    """The part of a payment that is set against one invoice."""

    object_name: ClassVar[str] = "allocation"

    invoice: Code  # external_number of the invoice
    amount: Amount


class Payment(CanonicalEntity):
    """Money received from a customer, with its allocations."""

    object_name: ClassVar[str] = "payment"
    legal_entity_field: ClassVar[str | None] = "legal_entity"
    business_date_field: ClassVar[str | None] = "payment_date"
    document: ClassVar[bool] = True
    events: ClassVar[dict[str, str]] = {"created": "payment.received"}

    external_number: Code
    legal_entity: Code
    customer: Code
    payment_date: date
    currency: CurrencyCode
    amount: Amount
    method: Text | None = None
    reference: Text | None = None
    allocations: tuple[Allocation, ...] = ()


class Project(CanonicalEntity):
    """Work agreed with a client, on which time is spent."""

    object_name: ClassVar[str] = "project"

    external_number: Code
    client: Code  # what the PSA system calls the client
    customer: Text | None = None  # external_number of the customer, as far as the PSA system knows it
    name: Text
    status: Literal["proposed", "active", "on_hold", "closed"]
    billing: Literal["time_and_material", "fixed_price"]
    manager: Code | None = None
    currency: CurrencyCode | None = None
    budget_hours: Amount | None = None
    budget_amount: Amount | None = None
    start_date: date | None = None
    end_date: date | None = None
    confidential: bool = False
    note: LongText | None = None


class Task(CanonicalEntity):
    """A part of a project."""

    object_name: ClassVar[str] = "task"

    external_number: Code
    project: Code  # external_number of the project
    name: Text
    status: Literal["open", "closed"]
    billable: bool = True
    planned_hours: Amount | None = None
    hourly_rate: Amount | None = None


class TimeLine(CanonicalEntity):
    """Hours on one task and day."""

    object_name: ClassVar[str] = "time_line"

    line_number: int
    task: Code | None = None  # external_number of the task
    work_date: date | None = None
    hours: Amount
    hourly_rate: Amount | None = None
    billable: bool = True
    description: Text | None = None


class TimeEntry(CanonicalEntity):
    """A consultant's hours of a week on a project, with their approval.

    Not a document that is frozen: corrected after approval, it stays approved, and only where it ends counts.
    """

    object_name: ClassVar[str] = "time_entry"
    business_date_field: ClassVar[str | None] = "week"
    state_field: ClassVar[str | None] = "status"
    steps: ClassVar[tuple[str, ...]] = ("approved",)
    events: ClassVar[dict[str, str]] = {"approved": "time_entry.approved"}

    external_number: Code
    project: Code  # external_number of the project
    consultant: Code
    week: date  # its first day
    status: Literal["draft", "submitted", "approved", "rejected"]
    approved_by: Code | None = None
    note: LongText | None = None
    total_hours: Amount
    lines: tuple[TimeLine, ...] = ()


ENTITIES: dict[str, type[CanonicalEntity]] = {
    cls.object_name: cls for cls in (LegalEntity, Customer, CustomerAccount, Project, Task, Invoice, Payment, TimeEntry)
}
